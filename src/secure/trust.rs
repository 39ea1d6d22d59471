//! TLS as who connects speaks it.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::provider;
use super::stream::Stream;

/// Whom somebody believes who connects.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

/// Why there is no connection with TLS.
#[derive(Debug, thiserror::Error)]
pub enum Distrust {
    /// The certificate is not to be believed, or what came was no TLS.
    #[error("{0}")]
    Refused(Error),
    /// The connection broke, or ended.
    #[error(transparent)]
    Broken(io::Error),
}

impl Trust {
    /// Who believes what `authority` signed, for the host that it names, in its time.
    pub(super) fn of(authority: &CertificateDer<'static>) -> Result<Self, String> {
        let text = |error: Error| format!("no trust: {error}");
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone()).map_err(text)?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(text)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self::without_memory(config))
    }

    /// Who believes anybody: for questions of whoever started the node, whatever it shows others.
    ///
    /// # Errors
    /// What the library says.
    pub fn blind() -> Result<Self, String> {
        let provider = provider();
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("no trust: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Blind(provider)))
            .with_no_client_auth();
        Ok(Self::without_memory(config))
    }

    /// A session that goes on shows no certificate: every connection begins one, so that a certificate that
    /// has changed is seen by the next.
    fn without_memory(mut config: ClientConfig) -> Self {
        config.resumption = Resumption::disabled();
        Self(Arc::new(config))
    }

    /// Speaks TLS with the node at the other end, which is called `host`.
    ///
    /// # Errors
    /// Why it is not believed, or how the connection broke.
    pub async fn secure<T>(&self, stream: T, host: &str) -> Result<Stream<T>, Distrust>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Distrust::Broken(io::ErrorKind::InvalidInput.into()))?;
        match TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await {
            Ok(secured) => Ok(Stream::Secure(Box::new(secured.into()))),
            Err(error) => Err(distrust(error)),
        }
    }
}

/// The library wraps its own reasons into an error of the system's.
fn distrust(error: io::Error) -> Distrust {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(refused) => Distrust::Refused(refused.clone()),
        None => Distrust::Broken(error),
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trust").finish_non_exhaustive()
    }
}

/// Looks at no certificate, and still at who has its key.
#[derive(Debug)]
struct Blind(Arc<CryptoProvider>);

impl ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signed,
            algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signed,
            algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::secure::authority::{Authority, Flaw};

    /// What comes of a connection to a node with such a certificate: a word that went both ways, or why not.
    async fn met(trust: &Trust, authority: &Authority, flaw: Option<Flaw>, host: &str) -> String {
        let hosts = ["127.0.0.1".to_owned(), "n1.harness.test".to_owned()];
        let node = authority.identity(&hosts, flaw).unwrap();
        let (near, far) = duplex(4096);
        let served = async {
            if let Ok(mut stream) = node.accept(far).await {
                let mut word = [0; 4];
                stream.read_exact(&mut word).await.unwrap();
                stream.write_all(&word).await.unwrap();
                stream.flush().await.unwrap();
            }
        };
        let asked = async {
            let mut stream = match trust.secure(near, host).await {
                Ok(stream) => stream,
                Err(error) => return error.to_string(),
            };
            stream.write_all(b"word").await.unwrap();
            stream.flush().await.unwrap();
            let mut word = [0; 4];
            stream.read_exact(&mut word).await.unwrap();
            String::from_utf8_lossy(&word).into_owned()
        };
        tokio::join!(asked, served).0
    }

    /// Catches a flawed certificate that is believed, a good one that is not, and a check of the lab's own
    /// that a flaw would keep out.
    #[tokio::test]
    async fn each_flaw_is_refused_for_what_it_is() {
        let authority = Authority::new().unwrap();
        let (trust, blind) = (authority.trust().unwrap(), Trust::blind().unwrap());
        for host in ["127.0.0.1", "n1.harness.test"] {
            assert_eq!(met(&trust, &authority, None, host).await, "word");
            for (flaw, why) in [
                (Flaw::Expired, "certificate expired"),
                (Flaw::WrongName, "not valid for"),
                (Flaw::UnknownAuthority, "invalid peer certificate"),
            ] {
                let refused = met(&trust, &authority, Some(flaw), host).await;
                assert!(refused.contains(why), "{flaw:?}: {refused}");
                assert_eq!(met(&blind, &authority, Some(flaw), host).await, "word", "{flaw:?}");
            }
        }
        assert!(met(&trust, &authority, None, "127.0.0.2").await.contains("not valid for"));
        let other = Authority::new().unwrap().trust().unwrap();
        assert!(met(&other, &authority, None, "127.0.0.1").await.contains("invalid peer"));
    }

    /// Catches a peer that breaks off and counts as one that is not believed, and the other way round.
    #[tokio::test]
    async fn who_breaks_off_is_not_distrusted() {
        let trust = Authority::new().unwrap().trust().unwrap();
        let (near, far) = duplex(4096);
        drop(far);
        let ended = trust.secure(near, "127.0.0.1").await;
        assert!(matches!(ended, Err(Distrust::Broken(_))), "{ended:?}");
        let (near, mut far) = duplex(4096);
        far.write_all(b"VERSION 1.6.18\r\n").await.unwrap();
        let plain = trust.secure(near, "127.0.0.1").await;
        assert!(matches!(plain, Err(Distrust::Refused(_))), "{plain:?}");
    }
}
