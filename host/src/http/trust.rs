//! Which certificates are believed.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use reqwest::{Certificate, ClientBuilder};
use thiserror::Error;

use super::OpenError;

/// A file of certificates has some KiB each. Bytes.
const LONGEST: u64 = 1024 * 1024;

/// Why a file of certificates can't be used.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// It is not there, or not to be read.
    #[error("the certificates in `{}` can't be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a folder, a pipe or a device.
    #[error("`{}` is no regular file; name a file of certificates in PEM", .0.display())]
    NoFile(PathBuf),
    /// It is none of certificates.
    #[error("`{}` is longer than {LONGEST} bytes; name a file of the certificates that are needed, in PEM", .0.display())]
    TooLong(PathBuf),
    /// It holds no certificate.
    #[error(
        "`{}` holds no certificate in PEM, which begins with `-----BEGIN CERTIFICATE-----`; \
         `openssl x509 -inform der -outform pem` converts one in DER",
        .0.display()
    )]
    NoCertificate(PathBuf),
}

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

    /// Those of the system, and those in a file in PEM.
    ///
    /// # Errors
    /// When it can't be read, is no regular file, too long, or holds no certificate.
    pub fn system_and_file(path: &Path) -> Result<Self, AuthorityError> {
        let failed = |source| AuthorityError::Read { path: path.to_owned(), source };
        // Before it is opened: opening a pipe would wait for a writer.
        if !path.metadata().map_err(failed)?.is_file() {
            return Err(AuthorityError::NoFile(path.to_owned()));
        }
        let mut pem = Vec::new();
        File::open(path).map_err(failed)?.take(LONGEST + 1).read_to_end(&mut pem).map_err(failed)?;
        if pem.len() as u64 > LONGEST {
            return Err(AuthorityError::TooLong(path.to_owned()));
        }
        match Certificate::from_pem_bundle(&pem) {
            Ok(certificates) if !certificates.is_empty() => Ok(Self::system(vec![pem])),
            _ => Err(AuthorityError::NoCertificate(path.to_owned())),
        }
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
