//! Failed handshakes with MongoDB: which a person must mend, and how. The driver passes them on as
//! texts.

/// What rustls says of a server's certificate, and what to do about it.
const OF_THE_SERVER: [(&str, &str); 6] = [
    ("UnknownIssuer", ISSUER),
    ("BadSignature", ISSUER),
    ("NotValidForName", NAME),
    ("not valid for name", NAME),
    ("NotValidYet", EXPIRED),
    ("xpired", EXPIRED),
];

const ISSUER: &str = "set tlsCAFile in the connection string to the certificate of the authority \
                      that issued the servers'";
const EXPIRED: &str =
    "renew the certificate of the server, and see that this machine's clock is right";
const NAME: &str = "name the servers in the connection string as their certificates do";
const OTHER: &str = "replace the server's certificate, or the tlsCAFile of the connection string";
const CLIENT: &str = "set tlsCertificateKeyFile in the connection string to a PEM file with a \
                      certificate that the servers accept and is not expired, and its key";

/// What the server says of ours.
const OF_OURS: [&str; 9] = [
    "CertificateRequired",
    "BadCertificate",
    "UnsupportedCertificate",
    "CertificateRevoked",
    "CertificateExpired",
    "CertificateUnknown",
    "UnknownCA",
    "AccessDenied",
    "DecryptError",
];

/// What was refused, and what to do about it, if a text tells of a refused certificate. Everything
/// else that ends a handshake may pass.
pub fn refusal(text: &str) -> Option<(String, &'static str)> {
    if let Some((_, why)) = text.split_once("invalid peer certificate") {
        let hint = OF_THE_SERVER.iter().find(|(word, _)| why.contains(word));
        let why = why.trim_start_matches(':').trim();
        return Some((
            format!("its certificate is refused: {why}"),
            hint.map_or(OTHER, |(_, hint)| hint),
        ));
    }
    let (_, alert) = text.split_once("received fatal alert: ")?;
    let ours = OF_OURS.iter().find(|word| alert.starts_with(**word))?;
    Some((format!("it refuses our certificate: {ours}"), CLIENT))
}

/// What is told of any other trouble of a connection. MongoDB hangs up on a certificate that it
/// refuses, as it does when it ends: so this may pass.
pub fn told(text: &str) -> &str {
    if text.contains("without sending TLS close_notify") {
        "the server hangs up in the handshake: if that does not pass, it refuses the certificate \
         in tlsCertificateKeyFile, which may be expired or of another authority, or asks for one"
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_certificates_are_told_from_what_may_pass() {
        let table = [
            ("I/O error: invalid peer certificate: UnknownIssuer", Some("tlsCAFile")),
            ("invalid peer certificate: certificate expired: verification time", Some("renew")),
            ("invalid peer certificate: certificate not valid for name \"a\"", Some("name the")),
            ("invalid peer certificate: Revoked", Some("replace")),
            ("received fatal alert: CertificateExpired", Some("tlsCertificateKeyFile")),
            ("received fatal alert: InternalError", None),
            ("Connection refused (os error 111)", None),
        ];
        for (text, wanted) in table {
            match (refusal(text), wanted) {
                (None, None) => {}
                (Some((_, hint)), Some(words)) => assert!(hint.contains(words), "{text}: {hint}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
