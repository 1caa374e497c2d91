//! TLS by rustls, with ring: [`TlsListener`] and [`TlsConnector`] around any listener and any connector.
//!
//! In go plain streams, out come encrypted ones whose handshake is done. Promise: a handshake that is slow, broken or
//! hostile costs its own peer, and nobody else waits for it. Here the configurations that most want; any other of rustls
//! may be given instead.

mod connector;
mod listener;

use std::sync::Arc;

use thiserror::Error;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

pub use connector::TlsConnector;
pub use listener::TlsListener;
pub use tokio_rustls::rustls;

/// What both sides speak inside (RFC 7301). Without it, a peer could choose HTTP/2, which knows no upgrade.
const ALPN: &[u8] = b"http/1.1";

/// Why TLS cannot be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The certificates are not PEM.
    #[error("failed to read the certificates: {0}")]
    Certificates(pem::Error),
    /// There is no certificate among what was given.
    #[error("there is no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// The private key is not PEM, or there is none.
    #[error("failed to read the private key: {0}")]
    Key(pem::Error),
    /// rustls does not take them: the key is of another certificate, or of a kind that is not supported.
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// The system trusts nobody.
    #[error("the system has no trusted certificates; SSL_CERT_FILE names a file of them")]
    NoRoots,
}

/// A server that proves itself by this certificate chain, the server's own first, and its private key, both in PEM. Asks
/// clients for no certificate.
///
/// # Errors
/// When they cannot be read, or do not belong together.
pub fn server_config(certificates: &[u8], key: &[u8]) -> Result<ServerConfig, TlsError> {
    let chain = read_certificates(certificates)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// A client that trusts whom the system trusts. `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the system's certificates.
///
/// # Errors
/// When the system has no certificates.
pub fn client_config() -> Result<ClientConfig, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a trusted certificate of the system cannot be read");
    }
    trusting(found.certs, TlsError::NoRoots)
}

/// A client that trusts these certificate authorities alone, in PEM: for a server whose certificate is its own.
///
/// # Errors
/// When they cannot be read.
pub fn client_config_trusting(authorities: &[u8]) -> Result<ClientConfig, TlsError> {
    trusting(read_certificates(authorities)?, TlsError::NoCertificate)
}

/// A client that trusts these; where none of them can be used, the error.
fn trusting(
    authorities: Vec<CertificateDer<'static>>,
    otherwise: TlsError,
) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    // A system may have some that are too old to be understood.
    let (_added, ignored) = roots.add_parsable_certificates(authorities);
    tracing::debug!(trusted = roots.len(), ignored, "certificate authorities");
    if roots.is_empty() {
        return Err(otherwise);
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

fn read_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(TlsError::Certificates)?;
    if certificates.is_empty() { Err(TlsError::NoCertificate) } else { Ok(certificates) }
}

/// Named, because rustls would panic where another crate brings a second provider.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
