//! Which certificates are believed.

use reqwest::{Certificate, ClientBuilder};

use super::OpenError;

/// The authorities that may vouch for a server.
#[derive(Debug, Clone)]
pub struct Trust {
    system: bool,
    extra: Vec<Vec<u8>>,
}

impl Trust {
    /// Those of the system, and these: certificates in PEM, such as that of a private network's own authority.
    #[must_use]
    pub fn system(extra: Vec<Vec<u8>>) -> Self {
        Self { system: true, extra }
    }

    /// These alone, in PEM.
    #[must_use]
    pub fn only(certificates: Vec<Vec<u8>>) -> Self {
        Self { system: false, extra: certificates }
    }

    pub(super) fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, OpenError> {
        let mut certificates = Vec::new();
        for pem in &self.extra {
            certificates.extend(Certificate::from_pem_bundle(pem).map_err(OpenError::Certificate)?);
        }
        Ok(match (self.system, certificates.is_empty()) {
            (true, true) => builder,
            (true, false) => builder.tls_certs_merge(certificates),
            (false, _) => builder.tls_certs_only(certificates),
        })
    }
}
