//! Failed handshakes: which a person must mend, and how.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

const ISSUER: &str = "set `ca_file` under [registry] to the certificate of the authority that \
                      issued the registry's";
const EXPIRED: &str =
    "renew the registry's certificate, and see that this machine's clock is right";
const NAME: &str = "put a name into `urls` under [registry] that the registry's certificate has";
const OTHER: &str = "replace the registry's certificate, or the `ca_file` under [registry]";
const CLIENT: &str = "set `client_cert_file` and `client_key_file` under [registry] to a \
                      certificate that the registry accepts";

/// What was refused, and what to do about it, if an error is a refused certificate. Everything
/// else that ends a handshake may pass: a connection cut off, a proxy that says something else.
pub fn refusal(error: &(dyn Error + 'static)) -> Option<(String, &'static str)> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let failed = match wrapped {
            // What an I/O error wraps is not among its sources.
            Some(inner) => inner.downcast_ref::<rustls::Error>(),
            None => error.downcast_ref::<rustls::Error>(),
        };
        if let Some(failed) = failed {
            return hint(failed).map(|hint| (failed.to_string(), hint));
        }
        cause = wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

fn hint(error: &rustls::Error) -> Option<&'static str> {
    use CertificateError as Bad;
    if let rustls::Error::InvalidCertificate(why) = error {
        let table = [
            (matches!(why, Bad::UnknownIssuer | Bad::BadSignature), ISSUER),
            (matches!(why, Bad::NotValidForName | Bad::NotValidForNameContext { .. }), NAME),
            (matches!(why, Bad::Expired | Bad::ExpiredContext { .. }), EXPIRED),
            (matches!(why, Bad::NotValidYet | Bad::NotValidYetContext { .. }), EXPIRED),
        ];
        let hint = table.into_iter().find(|(is_it, _)| *is_it);
        return Some(hint.map_or(OTHER, |(_, hint)| hint));
    }
    let rustls::Error::AlertReceived(alert) = error else { return None };
    let ours = [
        AlertDescription::CertificateRequired,
        AlertDescription::BadCertificate,
        AlertDescription::UnsupportedCertificate,
        AlertDescription::CertificateRevoked,
        AlertDescription::CertificateExpired,
        AlertDescription::CertificateUnknown,
        AlertDescription::UnknownCA,
        AlertDescription::AccessDenied,
        // The certificate is of an authority that has another key under the right name.
        AlertDescription::DecryptError,
    ];
    ours.contains(alert).then_some(CLIENT)
}
