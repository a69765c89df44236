//! The time clock of a door: a key chooses the next project, and another one starts it. That finishes the one that runs, and
//! makes its row.

use anyhow::{Context as _, Result, ensure};
use google_sim::Config;
use punchcard_rig::{Configuration, Key};

use crate::press::KEYS;
use crate::trial::{Surroundings, Trial};

/// How many projects there are.
pub(crate) const PROJECTS: usize = 6;
/// Its formatter.
pub(crate) const FORMATTER: &str = "timeclock";
/// The column of the projects, by which rows are told apart.
const TITLE: &str = "Project";
const PUNCH: &str = " ";
const TURN: &str = "\x1b[C";

impl Trial {
    /// Such a device that was never on.
    pub(crate) async fn time_clock(surroundings: &Surroundings) -> Result<Self> {
        let mut trial = Self::new(surroundings, Config::default()).await?;
        trial.title = TITLE;
        let items: Vec<_> = KEYS[..PROJECTS].iter().map(|key| format!("key {key}")).collect();
        let more = format!(
            "\n[choices.project]\nlabel = \"Project\"\nitems = {items:?}\n\n\
             [inputs.turn]\ndriver = \"keyboard\"\nkey = \"right\"\nturn = {{ choice = \"project\", step = 1 }}\n"
        );
        let keys = [Key { key: "space", fields: &[("project", "$project")] }];
        let configuration = Configuration {
            device: "faults",
            keys: &keys,
            more: &more,
            formatter: FORMATTER,
            settings: r#"{ layout = "pairs" }"#,
        };
        let configuration = configuration.render(&surroundings.programs, &trial.google.base_url());
        trial.device.rig.folder.configure(&configuration)?;
        Ok(trial)
    }

    /// Starts the next project; its press counts, and becomes a row when the project is finished.
    pub(crate) async fn punch(&mut self) -> Result<()> {
        if !self.device.presses.all.is_empty() {
            self.device.rig.press(TURN).await?;
        }
        self.device.press_with(PUNCH).await
    }

    /// Finishes the project that runs. Everything is in the sheet then: whole rows, each of which starts with the press that
    /// finishes the one before.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        self.device.press_stray(PUNCH).await?;
        self.recover().await?;
        let sheet = self.sheet()?;
        let tab = sheet.tabs.iter().find(|tab| tab.rows.len() > 1).context("there are no rows")?;
        let (titles, rows) = tab.rows.split_first().context("there are no titles")?;
        let column = |title: &str| {
            let found = titles.iter().position(|known| known == title);
            found.with_context(|| format!("no column `{title}`: {titles:?}"))
        };
        let columns = [column(TITLE)?, column("Start")?, column("Finish")?, column("Hours")?];
        let [_, start, finish, _] = columns;
        let are_whole = rows.iter().all(|row| columns.iter().all(|column| !row[*column].is_empty()));
        let are_joined = rows.windows(2).all(|pair| pair[0][finish] == pair[1][start]);
        ensure!(are_whole && are_joined, "these are no pairs: {rows:?}");
        Ok(())
    }
}
