//! The one TLS provider of the process.

/// Makes ring the provider for clients that do not name one; the first call decides, so that it
/// may be made anywhere before the first connection.
pub fn install() {
    // An error says that a provider is installed already, which is all that is wanted.
    drop(rustls::crypto::ring::default_provider().install_default());
}
