//! The client's side: [`TlsConnector`] dials a stream, and gives it out when the server has proved who it is.

use std::io;
use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::io::net::{BoxStream, Connector, TcpNet};

use super::{TlsError, client_config};

/// A connector for `https://` and `wss://`; to `http://` and `ws://` it dials plainly. A server whose certificate is not
/// trusted, or is another's, is not connected to: the client hears why with
/// [`Event::ConnectFailed`](crate::io::Event::ConnectFailed).
///
/// ```no_run
/// # fn client(env: squall::Env) -> Result<(), Box<dyn std::error::Error>> {
/// use squall::io::ClientOptions;
/// use squall::io::net::tls::TlsConnector;
///
/// let url = "https://chat.example.org".parse()?;
/// let (client, events) = squall::Client::new(&env, TlsConnector::tcp()?, url, ClientOptions::default())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TlsConnector<C = TcpNet> {
    connector: C,
    tls: tokio_rustls::TlsConnector,
}

impl TlsConnector {
    /// TCP of the operating system, trusting whom the system trusts.
    ///
    /// # Errors
    /// When the system has no certificates.
    pub fn tcp() -> Result<Self, TlsError> {
        Ok(Self::new(TcpNet, client_config()?))
    }
}

impl<C: Connector> TlsConnector<C> {
    /// Secures what a connector dials.
    pub fn new(connector: C, config: impl Into<Arc<ClientConfig>>) -> Self {
        Self { connector, tls: config.into().into() }
    }
}

impl<C: Connector> Connector for TlsConnector<C> {
    type Stream = BoxStream;

    async fn connect(&self, host: &str, port: u16) -> io::Result<BoxStream> {
        Ok(BoxStream::new(self.connector.connect(host, port).await?))
    }

    async fn connect_secure(&self, host: &str, port: u16) -> io::Result<BoxStream> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, format!("{host:?}: {error}")))?;
        let stream = self.connector.connect(host, port).await?;
        Ok(BoxStream::new(self.tls.connect(name, stream).await?))
    }
}
