//! TLS as a server has it: who it is, and whom it demands, out of PEM files.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::{PemError, Unfit, authorities, certificates, fitting, noted, text};

/// The files by which a server proves who it is.
#[derive(Debug, Clone, Copy)]
pub struct ServerFiles<'a> {
    /// Who it is.
    pub certificate: &'a Path,
    /// How it proves it.
    pub key: &'a Path,
    /// Who must have issued the certificates of those who ask, if they need one.
    pub client_ca: Option<&'a Path>,
}

impl ServerFiles<'_> {
    /// Reads them all, by `read`.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn load(
        &self,
        read: impl Fn(&Path) -> io::Result<String>,
    ) -> Result<Arc<ServerConfig>, Vec<Unfit>> {
        let mut unfit = Vec::new();
        let chain = text(&mut unfit, &read, "certificate_file", Some(self.certificate));
        let chain = chain.and_then(|(path, pem)| {
            noted(&mut unfit, "certificate_file", path, certificates(&pem))
        });
        let key = text(&mut unfit, &read, "key_file", Some(self.key));
        let identity = chain.zip(key).and_then(|(chain, (path, pem))| {
            let key = key_of(&chain, &pem);
            noted(&mut unfit, "key_file", path, key).map(|key| (chain, key))
        });
        let issuers = text(&mut unfit, &read, "client_ca_file", self.client_ca);
        let issuers = issuers
            .and_then(|(path, pem)| noted(&mut unfit, "client_ca_file", path, authorities(&pem)));
        let Some((chain, key)) = identity.filter(|_| unfit.is_empty()) else { return Err(unfit) };
        served(chain, key, issuers).map_err(|error| {
            let what = format!("cannot be used: {error}");
            vec![Unfit { setting: "certificate_file", what }]
        })
    }
}

/// The key of the first certificate.
fn key_of(chain: &[CertificateDer<'static>], pem: &str) -> Result<PrivateKeyDer<'static>, String> {
    fitting(chain.to_vec(), pem).map_err(|error| match error {
        PemError::OtherKey => "is not the key of the certificate in `certificate_file`".to_owned(),
        PemError::NoCertificate
        | PemError::NoKey
        | PemError::EncryptedKey
        | PemError::Damaged(_)
        | PemError::Unusable(_) => error.to_string(),
    })?;
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| PemError::NoKey.to_string())
}

fn served(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    issuers: Option<Vec<CertificateDer<'static>>>,
) -> Result<Arc<ServerConfig>, String> {
    let provider = Arc::new(ring::default_provider());
    let building = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let building = match issuers {
        None => building.with_no_client_auth(),
        Some(issuers) => {
            let mut trusted = RootCertStore::empty();
            trusted.add_parsable_certificates(issuers);
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(trusted), provider).build();
            building.with_client_cert_verifier(verifier.map_err(|error| error.to_string())?)
        }
    };
    let mut config = building.with_single_cert(chain, key).map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
