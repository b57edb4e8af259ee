//! An authority of a test's own, and the certificates that it issues.

use std::io::{ErrorKind, Read as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};

use crate::mill::free_port;

/// The years in which a certificate is good.
pub const GOOD: (i32, i32) = (2000, 2100);
/// The years of one that has expired.
pub const EXPIRED: (i32, i32) = (2000, 2001);

/// An authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: PathBuf,
}

impl Authority {
    /// A new one, whose files go to `dir`.
    pub fn new(dir: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let ours = Self { issuer, dir: dir.join(name) };
        std::fs::create_dir_all(&ours.dir).unwrap();
        std::fs::write(ours.ca_file(), ours.issuer.pem()).unwrap();
        ours
    }

    /// Its own certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    fn issue(&self, name: &str, unit: &str, years: (i32, i32)) -> (Certificate, KeyPair) {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        // Without the name that it comes with, which would stand first.
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "readmill");
        params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A certificate and its key in one file, as MongoDB wants them.
    pub fn pair(&self, name: &str, unit: &str, years: (i32, i32)) -> PathBuf {
        let (certificate, key) = self.issue(name, unit, years);
        let file = self.dir.join(format!("{name}.pem"));
        std::fs::write(&file, format!("{}{}", certificate.pem(), key.serialize_pem())).unwrap();
        file
    }

    /// A server that gets no further than its certificate, which has expired: no mongod starts with
    /// such a one. It answers its address, and goes with the process.
    pub fn expired_server(&self) -> String {
        let (certificate, key) = self.issue("server", "servers", EXPIRED);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let address = format!("127.0.0.1:{}", free_port());
        let listener = TcpListener::bind(&address).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(mut stream), Ok(mut tls)) =
                    (stream, ServerConnection::new(Arc::clone(&config)))
                else {
                    continue;
                };
                while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
                let _ = stream.read(&mut [0; 64]).map_err(|error| error.kind() == ErrorKind::Other);
            }
        });
        address
    }
}
