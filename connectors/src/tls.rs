//! TLS: the one provider of the process, and certificates and keys out of PEM files.

pub mod server;

use std::fmt;
use std::io;
use std::path::Path;

use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;

/// Makes ring the provider for clients that do not name one; the first call decides, so that it
/// may be made anywhere before the first connection.
pub fn install() {
    // An error says that a provider is installed already, which is all that is wanted.
    drop(ring::default_provider().install_default());
}

/// The files for TLS to one service, as its stanza names them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Files<'a> {
    /// Whom to trust, instead of those whom the system trusts.
    pub ca: Option<&'a Path>,
    /// Who we are.
    pub client_cert: Option<&'a Path>,
    /// How we prove it.
    pub client_key: Option<&'a Path>,
}

/// What is wrong with a setting that names a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The setting.
    pub setting: &'static str,
    /// What is wrong, beginning with the file, and what would be right.
    pub what: String,
}

/// Whom to trust, and who we are.
#[derive(Default)]
pub struct Trust {
    authorities: Option<Vec<CertificateDer<'static>>>,
    /// The certificates and the key, one after the other.
    identity: Option<String>,
}

/// Without the key.
impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("authorities", &self.authorities).finish_non_exhaustive()
    }
}

/// What is wrong with the text of a PEM file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
enum PemError {
    #[error("holds no certificate: a block that begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    #[error("holds no private key: a block that begins with -----BEGIN PRIVATE KEY-----")]
    NoKey,
    #[error("holds an encrypted key: store it without a passphrase, for this account alone")]
    EncryptedKey,
    #[error("is damaged or no PEM file: {0}")]
    Damaged(String),
    #[error("cannot be used: {0}")]
    Unusable(String),
    #[error("is not the key of the certificate in `client_cert_file`")]
    OtherKey,
}

impl Files<'_> {
    /// Whether any is named.
    pub const fn any(&self) -> bool {
        self.ca.is_some() || self.client_cert.is_some() || self.client_key.is_some()
    }

    /// Reads them all, by `read`.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn load(&self, read: impl Fn(&Path) -> io::Result<String>) -> Result<Trust, Vec<Unfit>> {
        let mut unfit = Vec::new();
        let ca = text(&mut unfit, &read, "ca_file", self.ca);
        let cert = text(&mut unfit, &read, "client_cert_file", self.client_cert);
        let key = text(&mut unfit, &read, "client_key_file", self.client_key);
        let authorities =
            ca.and_then(|(path, pem)| noted(&mut unfit, "ca_file", path, authorities(&pem)));
        let cert = cert.and_then(|(path, pem)| {
            noted(&mut unfit, "client_cert_file", path, certificates(&pem))
                .map(|chain| (chain, pem))
        });
        let identity = cert.zip(key).and_then(|((chain, cert), (path, key))| {
            let fits = noted(&mut unfit, "client_key_file", path, fitting(chain, &key));
            fits.map(|()| format!("{cert}\n{key}"))
        });
        unfit.extend(self.lonely());
        if unfit.is_empty() { Ok(Trust { authorities, identity }) } else { Err(unfit) }
    }

    /// A certificate without its key, or a key without its certificate.
    fn lonely(&self) -> Option<Unfit> {
        let (setting, other) = match (self.client_cert, self.client_key) {
            (Some(_), None) => ("client_cert_file", "client_key_file"),
            (None, Some(_)) => ("client_key_file", "client_cert_file"),
            (Some(_), Some(_)) | (None, None) => return None,
        };
        let what = format!("a certificate and its key belong together: `{other}` is missing");
        Some(Unfit { setting, what })
    }
}

/// The text of a file, if it is named and can be read.
fn text<'p>(
    unfit: &mut Vec<Unfit>,
    read: &impl Fn(&Path) -> io::Result<String>,
    setting: &'static str,
    path: Option<&'p Path>,
) -> Option<(&'p Path, String)> {
    let path = path?;
    let read = read(path).map_err(|error| format!("cannot be read: {}", error.kind()));
    noted(unfit, setting, path, read).map(|text| (path, text))
}

/// Notes what is wrong with a file, if anything is.
fn noted<T>(
    unfit: &mut Vec<Unfit>,
    setting: &'static str,
    path: &Path,
    found: Result<T, impl fmt::Display>,
) -> Option<T> {
    let note = |error| unfit.push(Unfit { setting, what: format!("{} {error}", path.display()) });
    found.map_err(note).ok()
}

impl Trust {
    /// The authorities for a client of the library itself; none if the system's are meant.
    pub fn roots(&self) -> Option<RootCertStore> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(self.authorities.iter().flatten().cloned());
        (!store.is_empty()).then_some(store)
    }

    /// Gives it to an HTTP client. One that needs no TLS is spared the search for the system's
    /// certificates, which a bare machine does not have.
    ///
    /// # Errors
    /// What the client does not take.
    pub fn give(
        &self,
        client: reqwest::ClientBuilder,
        needed: bool,
    ) -> reqwest::Result<reqwest::ClientBuilder> {
        let client = match &self.authorities {
            Some(trusted) => {
                let trusted = trusted.iter().map(|der| reqwest::Certificate::from_der(der));
                client.tls_certs_only(trusted.collect::<reqwest::Result<Vec<_>>>()?)
            }
            None if needed => client,
            None => client.tls_certs_only([]),
        };
        Ok(match &self.identity {
            Some(pem) => client.identity(reqwest::Identity::from_pem(pem.as_bytes())?),
            None => client,
        })
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.map_err(|error| PemError::Damaged(error.to_string()))?;
    if found.is_empty() { Err(PemError::NoCertificate) } else { Ok(found) }
}

fn authorities(pem: &str) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let found = certificates(pem)?;
    let mut store = RootCertStore::empty();
    for certificate in &found {
        let added = store.add(certificate.clone());
        added.map_err(|error| PemError::Unusable(error.to_string()))?;
    }
    Ok(found)
}

/// Whether a key is that of the first certificate.
fn fitting(chain: Vec<CertificateDer<'static>>, key: &str) -> Result<(), PemError> {
    if key.contains("ENCRYPTED") {
        return Err(PemError::EncryptedKey);
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| {
        let none = matches!(error, pem::Error::NoItemsFound);
        if none { PemError::NoKey } else { PemError::Damaged(error.to_string()) }
    })?;
    match CertifiedKey::from_der(chain, key, &ring::default_provider()) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => Err(PemError::OtherKey),
        Err(error) => Err(PemError::Unusable(error.to_string())),
    }
}
