//! `cargo xtask test languages`: the examples in JavaScript and Python, and the plugins with which `punchcard plugin new` begins,
//! are tested, built, and run in the host's sandbox. What comes of them is compared.
//!
//! Everything that this takes is installed below cargo's target folder, and nothing anywhere else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::process::{self, perform};
use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;

/// What has to be there, and how it is installed on Debian.
const TOOLS: [(&str, &str); 3] = [("node", "nodejs"), ("npm", "npm"), ("python3", "python3-venv")];
/// What Rust builds components for.
const TARGET: &str = "wasm32-wasip2";

/// Five presses, and one that no formatter here takes.
const EVENTS: &str = "project,at\nGarden,2026-03-02 09:02\nShed,2026-03-02 11:40\nGarden,2026-03-02 12:05\n\
                      \"=1+1\",2026-03-02 12:06\nGarden,2026-03-02T22:07:00+10:00\n,2026-03-02 12:08\n";
/// What becomes of them: the number of the event, its project, and how often that was chosen.
const ROWS: [(u64, &str, f64); 5] =
    [(1, "Garden", 1.0), (2, "Shed", 1.0), (3, "Garden", 2.0), (4, "=1+1", 1.0), (5, "Garden", 3.0)];

/// A server that is busy at first.
const SCRIPT: &str = "[[answers]]\nstatus = 503\n[[answers]]\nstatus = 201\nexpect = { method = \"POST\", url = \
                      \"https://rows.example/in\", body = [\"Garden\", \"0.25\"] }\n";

/// What is missing on this machine, with how it is installed.
pub(crate) fn find_missing() -> Option<String> {
    if let Some(packages) = process::find_missing(&TOOLS) {
        return Some(format!("apt-get install {packages}"));
    }
    let library = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let is_there = library.is_ok_and(|found| Path::new(String::from_utf8_lossy(&found.stdout).trim()).is_dir());
    (!is_there).then(|| format!("rustup target add {TARGET}"))
}

/// Builds the same formatter in each language: the component, and the language's name. `program` begins the plugin in Rust.
pub(crate) fn build_formatters(workspace: &Workspace, program: PathBuf) -> Result<Vec<(&'static str, PathBuf)>> {
    if let Some(missing) = find_missing() {
        bail!("install what builds plugins in other languages: {missing}");
    }
    let bench = Bench::new(workspace, program)?;
    let examples = workspace.root.join("guests/examples");
    let projects = [
        bench.begin(Language::Rust, "formatter")?,
        bench.copy_example(&examples, Language::Js)?,
        bench.copy_example(&examples, Language::Python)?,
    ];
    projects.iter().map(|project| Ok((project.language.name(), bench.build(project)?))).collect()
}

/// Tests, builds and runs all of them.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let bench = Bench::new(workspace, workspace.target.join("debug/punchcard"))?;
    for (file, text) in [("events.csv", EVENTS), ("rows.csv", "project,hours:number\nGarden,1.5\nShed,0.25\n")] {
        fs::write(bench.folder.join(file), text).with_context(|| format!("cannot write {file}"))?;
    }
    fs::write(bench.folder.join("script.toml"), SCRIPT).context("cannot write a script")?;
    // The examples first: what is installed for them serves the others.
    let examples = workspace.root.join("guests/examples");
    for (language, wrong) in [(Language::Js, ("?? 0) + 1", "?? 0) + 2")), (Language::Python, ("0) + 1", "0) + 2"))] {
        let project = bench.copy_example(&examples, language)?;
        bench.check_formatter(&project, wrong)?;
    }
    for language in [Language::Rust, Language::Js, Language::Python] {
        for world in ["formatter", "connector", "sensor"] {
            // Those of the examples were looked at.
            if world == "formatter" && language != Language::Rust {
                continue;
            }
            let project = bench.begin(language, world)?;
            match world {
                "formatter" => bench.check_formatter(&project, ("*count += 1", "*count += 2"))?,
                "connector" => bench.check_connector(&project)?,
                _ => bench.check_sensor(&project)?,
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Rust,
    Js,
    Python,
}

impl Language {
    fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Js => "js",
            Self::Python => "python",
        }
    }
}

/// A plugin's folder.
struct Project {
    language: Language,
    name: String,
    folder: PathBuf,
}

impl Project {
    /// The world that it fills, by its name: what `begin` made says it, and the example is a formatter.
    fn world(&self) -> &'static str {
        ["connector", "sensor"].into_iter().find(|world| self.name.contains(world)).unwrap_or("formatter")
    }
}

struct Bench {
    program: PathBuf,
    folder: PathBuf,
    wit: PathBuf,
}

impl Bench {
    fn new(workspace: &Workspace, program: PathBuf) -> Result<Self> {
        let (folder, wit) = (workspace.target.join("languages"), workspace.root.join("wit/v0.1"));
        fs::create_dir_all(&folder).context("cannot make a folder for other languages")?;
        Ok(Self { program, folder, wit })
    }

    /// An example of the tree, where it is built.
    fn copy_example(&self, examples: &Path, language: Language) -> Result<Project> {
        let of = if language == Language::Js { "javascript" } else { "python" };
        let folder = self.folder.join(of);
        fs::create_dir_all(&folder).context("cannot make a folder for an example")?;
        for entry in fs::read_dir(examples.join(of)).context("cannot list the examples")? {
            let file = entry.context("cannot list the examples")?;
            if file.path().is_file() {
                fs::copy(file.path(), folder.join(file.file_name())).context("cannot copy an example")?;
            }
        }
        let project = Project { language, name: "presses".to_owned(), folder };
        self.install(&project)?;
        Ok(project)
    }

    /// Installs what an example names, where that is not what is installed.
    fn install(&self, project: &Project) -> Result<()> {
        let (wanted, installed, place) = match project.language {
            Language::Rust => return Ok(()),
            Language::Js => ("package-lock.json", "node_modules/punchcard-installed.json", "node_modules"),
            Language::Python => ("requirements.txt", ".venv/punchcard-installed.txt", ".venv"),
        };
        let wanted = fs::read(project.folder.join(wanted)).context("an example says what it needs")?;
        let installed = project.folder.join(installed);
        if fs::read(&installed).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        let place = project.folder.join(place);
        if place.exists() {
            fs::remove_dir_all(&place).with_context(|| format!("cannot remove {}", place.display()))?;
        }
        match project.language {
            Language::Js => {
                let mut npm = self.command(project, "npm");
                perform(npm.args(["ci", "--no-fund", "--no-audit", "--loglevel=error"]))?;
            }
            _ => {
                perform(self.command(project, "python3").args(["-m", "venv", ".venv"]))?;
                let mut pip = self.command(project, ".venv/bin/pip");
                perform(pip.args(["install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"]))?;
            }
        }
        fs::write(&installed, wanted).context("cannot note what is installed")
    }

    /// A plugin as somebody begins it.
    fn begin(&self, language: Language, world: &str) -> Result<Project> {
        let name = format!("new-{world}-{}", language.name());
        let folder = self.folder.join(&name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        let mut new = Command::new(&self.program);
        new.args(["plugin", "new", &name, "--world", world, "--language", language.name()]).current_dir(&self.folder);
        perform(new.stdout(Stdio::null()))?;
        let project = Project { language, name, folder };
        let shared = match language {
            Language::Rust => return Ok(project),
            Language::Js => ("../javascript/node_modules", "node_modules"),
            Language::Python => ("../python/.venv", ".venv"),
        };
        std::os::unix::fs::symlink(shared.0, project.folder.join(shared.1))
            .context("cannot share what is installed")?;
        Ok(project)
    }

    fn command(&self, project: &Project, program: &str) -> Command {
        let mut command = match (project.language, program) {
            (Language::Rust, _) => process::cargo(),
            (_, program) if program.starts_with('.') => Command::new(project.folder.join(program)),
            (_, program) => Command::new(program),
        };
        command.current_dir(&project.folder).env("PUNCHCARD_WIT", &self.wit);
        command.env("CARGO_TARGET_DIR", self.folder.join("rust"));
        command
    }

    fn test(&self, project: &Project) -> Command {
        match project.language {
            Language::Rust => {
                let mut command = self.command(project, "cargo");
                command.args(["test", "--quiet"]);
                command
            }
            Language::Js => {
                let mut command = self.command(project, "npm");
                command.args(["test", "--silent"]);
                command
            }
            Language::Python => {
                let mut command = self.command(project, "python3");
                command.args(["-B", "-m", "unittest", "--quiet", "plugin_test"]);
                command
            }
        }
    }

    /// Its own test passes, and it becomes a component.
    fn build(&self, project: &Project) -> Result<PathBuf> {
        let watch = Stopwatch::start();
        perform(self.test(project).stdout(Stdio::null()))?;
        let component = match project.language {
            Language::Rust => {
                perform(self.command(project, "cargo").args(["plugin", "--quiet"]))?;
                let file = format!("rust/{TARGET}/release/{}.wasm", project.name.replace('-', "_"));
                self.folder.join(file)
            }
            Language::Js => {
                // Without what `npm run build` installs before.
                let mut node = self.command(project, "node");
                perform(node.args(["build.mjs", project.world(), &project.name]).stdout(Stdio::null()))?;
                project.folder.join(format!("{}.wasm", project.name))
            }
            Language::Python => {
                let mut python = self.command(project, "python3");
                perform(python.args(["build.py", project.world(), &project.name]).stdout(Stdio::null()))?;
                project.folder.join(format!("{}.wasm", project.name))
            }
        };
        let bytes = fs::metadata(&component).with_context(|| format!("no {}", component.display()))?.len();
        eprintln!("  {}: {bytes} bytes, in {:.1} s", project.name, watch.elapsed().as_secs_f64());
        Ok(component)
    }

    /// What `punchcard plugin test` says of a component.
    fn run(&self, component: &Path, more: &[&str]) -> Result<Value> {
        let mut command = Command::new(&self.program);
        command.args(["plugin", "test"]).arg(component).arg("--json").args(more).current_dir(&self.folder);
        command.env("XDG_CACHE_HOME", self.folder.join("cache"));
        let line = process::render_command(&command);
        let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start `{line}`"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "`{line}` ended with {}: {text}", output.status);
        serde_json::from_str(&text).with_context(|| format!("`{line}` printed no JSON: {text}"))
    }

    fn check_formatter(&self, project: &Project, (right, wrong): (&str, &str)) -> Result<()> {
        let component = self.build(project)?;
        let report = self.run(&component, &["--events", "events.csv"])?;
        let name = &project.name;
        let mut rows = Vec::new();
        for event in report["events"].as_array().into_iter().flatten() {
            for row in event["rows"].as_array().into_iter().flatten() {
                rows.push((&event["event"], &row["project"], &row["count"]));
            }
        }
        let expected = ROWS.map(|(event, project, count)| (json!(event), json!(project), json!(count)));
        let expected: Vec<_> = expected.iter().map(|(event, project, count)| (event, project, count)).collect();
        ensure!(rows == expected, "{name} made other rows: {report:#}");
        ensure!(
            report["events"][5]["rejected"].is_string(),
            "{name} did not reject an event without a project: {report:#}"
        );
        ensure!(report["events"][4]["rows"][0]["at"] == "2026-03-02 22:07:00", "{name}: another moment: {report:#}");
        self.check_test_fails(project, right, wrong)
    }

    /// The plugin's own test fails where its code is wrong.
    fn check_test_fails(&self, project: &Project, right: &str, wrong: &str) -> Result<()> {
        let file = project.folder.join(match project.language {
            Language::Rust => "src/lib.rs",
            Language::Js => "plugin.js",
            Language::Python => "counting.py",
        });
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        ensure!(text.contains(right), "{} has no `{right}` to spoil", file.display());
        fs::write(&file, text.replace(right, wrong)).context("cannot spoil a plugin")?;
        let status = self.test(project).stdout(Stdio::null()).stderr(Stdio::null()).status();
        fs::write(&file, text).context("cannot mend a plugin")?;
        if status.context("cannot run a plugin's test")?.success() {
            bail!("the test of {} passes although `{right}` is `{wrong}`", project.name);
        }
        Ok(())
    }

    fn check_connector(&self, project: &Project) -> Result<()> {
        let component = self.build(project)?;
        let settings = r#"{"url":"https://rows.example/in"}"#;
        let arguments = ["--events", "rows.csv", "--script", "script.toml", "--settings", settings];
        let report = self.run(&component, &arguments)?;
        let waits = report["steps"].as_array().into_iter().flatten().filter(|step| step["waits-ms"] == 10_000).count();
        let is_right = report["delivered"] == true && report["rows"] == 2 && waits == 1;
        ensure!(is_right, "{} did not deliver after one wait: {report:#}", project.name);
        Ok(())
    }

    fn check_sensor(&self, project: &Project) -> Result<()> {
        let component = self.build(project)?;
        let report = self.run(&component, &[])?;
        let is_right = report["opens"]["i2c"] == json!(["sensor"])
            && report["poll"].as_str().is_some_and(|said| said.contains("the chip does not answer"));
        ensure!(is_right, "{} says something else without its chip: {report:#}", project.name);
        Ok(())
    }
}
