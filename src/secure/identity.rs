//! TLS as a node speaks it.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::NoServerSessionStorage;

use super::stream::Stream;
use super::{pem, provider};

/// A certificate with its key.
#[derive(Clone)]
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: Arc<PrivatePkcs8KeyDer<'static>>,
    config: Arc<ServerConfig>,
}

impl Identity {
    pub(super) fn new(
        certificate: CertificateDer<'static>,
        key_der: Vec<u8>,
    ) -> Result<Self, String> {
        let key = PrivatePkcs8KeyDer::from(key_der);
        let text = |error| format!("no certificate: {error}");
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(text)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], PrivateKeyDer::from(key.clone_key()))
            .map_err(text)?;
        // Every connection is shown the certificate: with a ticket of an earlier one nobody would look at it.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { certificate, key: Arc::new(key), config: Arc::new(config) })
    }

    /// The certificate as a file has it.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        pem::text("CERTIFICATE", &self.certificate)
    }

    /// The key as a file has it.
    #[must_use]
    pub fn key_pem(&self) -> String {
        pem::text("PRIVATE KEY", self.key.secret_pkcs8_der())
    }

    /// Shows itself to who has connected.
    ///
    /// # Errors
    /// When who has connected breaks off, does not believe it, or speaks no TLS.
    pub async fn accept<T>(&self, stream: T) -> io::Result<Stream<T>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let accepted = TlsAcceptor::from(Arc::clone(&self.config)).accept(stream).await?;
        Ok(Stream::Secure(Box::new(accepted.into())))
    }
}

/// A key is in no log and no error.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}
