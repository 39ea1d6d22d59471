//! The run's own authority: it signs what its nodes show, and what they must not be believed with.

use std::fmt;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::identity::Identity;
use super::pem;
use super::trust::Trust;

/// What a certificate that is not for a node names (RFC 6761: nobody ever has such a name).
const OTHER_HOST: &str = "another-host.invalid";

/// The year in which an expired certificate ended. Good ones begin before any clock and end after it, so that
/// what the clock of this machine says decides nothing.
const EXPIRED_YEAR: i32 = 2001;

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Its time is over.
    Expired,
    /// It is for another host.
    WrongName,
    /// Nobody knows who signed it.
    UnknownAuthority,
}

impl Flaw {
    /// The words in files.
    pub const WORDS: [(&str, Self); 3] = [
        ("expired", Self::Expired),
        ("wrong_name", Self::WrongName),
        ("unknown_authority", Self::UnknownAuthority),
    ];
}

/// An authority and its key, which never leaves this process.
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new() -> Result<Self, String> {
        let mut params = named("harness run", &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(text)?;
        let certificate = params.self_signed(&key).map_err(text)?.der().clone();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// Its certificate as a file has it: what clients are told to believe.
    #[must_use]
    pub fn pem(&self) -> String {
        pem::text("CERTIFICATE", &self.certificate)
    }

    /// Who believes it and nobody else.
    ///
    /// # Errors
    /// What the library says.
    pub fn trust(&self) -> Result<Trust, String> {
        Trust::of(&self.certificate)
    }

    /// A certificate for a node that is reached as one of `hosts`, names or addresses.
    ///
    /// # Errors
    /// A host that no certificate can name.
    pub fn identity(&self, hosts: &[String], flaw: Option<Flaw>) -> Result<Identity, String> {
        let other = [OTHER_HOST.to_owned()];
        let mut params = match flaw {
            Some(Flaw::WrongName) => named("cache node", &other)?,
            _ => named("cache node", hosts)?,
        };
        if flaw == Some(Flaw::Expired) {
            params.not_after = date_time_ymd(EXPIRED_YEAR, 1, 1);
        }
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(text)?;
        let certificate = match flaw {
            // It has the name of ours, as whoever pretends to be it would see to.
            Some(Flaw::UnknownAuthority) => params.signed_by(&key, &Self::new()?.issuer),
            _ => params.signed_by(&key, &self.issuer),
        };
        Identity::new(certificate.map_err(text)?.der().clone(), key.serialize_der())
    }
}

fn named(name: &str, hosts: &[String]) -> Result<CertificateParams, String> {
    let mut params = CertificateParams::new(hosts).map_err(text)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

fn text(error: rcgen::Error) -> String {
    format!("no certificate: {error}")
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}
