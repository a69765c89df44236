//! The OAuth clients that the Cloud console would list.

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OauthClient {
    /// `….apps.googleusercontent.com`.
    pub id: String,
    /// What Google calls a secret; for devices it is not one, and belongs to the configuration.
    pub secret: String,
    /// The number of its Cloud project. Clients of one project share grants and files.
    pub project: u64,
    /// What it was created for.
    pub kind: ClientKind,
    /// Whether its consent screen is published.
    pub publishing: Publishing,
    /// Whether only accounts of one organisation may use it: everybody else gets `org_internal`.
    pub is_internal: bool,
}

/// What a client was created for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// "TVs and Limited Input devices".
    LimitedInput,
    /// "Desktop app": the code flow, with a browser that comes back to a loopback address.
    Desktop,
    /// Anything else: the device flow refuses it.
    Web,
}

/// The publishing status of a consent screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publishing {
    /// Refresh tokens live for seven days, unless only identity is asked for.
    Testing,
    /// They live on.
    Production,
}

impl OauthClient {
    /// The client of the demonstration.
    pub const DEMO_ID: &str = "punchcard-demo.apps.googleusercontent.com";
    /// Its secret.
    pub const DEMO_SECRET: &str = "GOCSPX-punchcard-demo";
    /// A client of another project: what it creates, the first one does not see.
    pub const OTHER_ID: &str = "another-app.apps.googleusercontent.com";
    /// Its secret.
    pub const OTHER_SECRET: &str = "GOCSPX-another-app";

    /// The client of a desktop app, in the project of the first one.
    pub const DESKTOP_ID: &str = "punchcard-desktop.apps.googleusercontent.com";
    /// Its secret.
    pub const DESKTOP_SECRET: &str = "GOCSPX-punchcard-desktop";

    /// A published client for devices, in project 123456789012.
    pub fn device(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            project: 123_456_789_012,
            kind: ClientKind::LimitedInput,
            publishing: Publishing::Production,
            is_internal: false,
        }
    }

    /// The end of a plugins.toml for a device that is the client [`Self::DEMO_ID`] of the stand-in at `origin`, with the
    /// grant `google` and the sink `timesheet`. `format` is a value of TOML.
    #[must_use]
    pub fn device_toml(origin: &str, format: &str) -> String {
        include_str!("../../device.toml").replace("FORMAT", format).replace("ORIGIN", origin)
    }

    /// The clients that are there when nothing else is said: [`Self::DEMO_ID`], [`Self::OTHER_ID`] and [`Self::DESKTOP_ID`].
    pub fn defaults() -> Vec<Self> {
        let other = Self { project: 210_987_654_321, ..Self::device(Self::OTHER_ID, Self::OTHER_SECRET) };
        let desktop = Self { kind: ClientKind::Desktop, ..Self::device(Self::DESKTOP_ID, Self::DESKTOP_SECRET) };
        vec![Self::device(Self::DEMO_ID, Self::DEMO_SECRET), other, desktop]
    }
}
