//! Certificates made on the spot: of an authority, and of those it signs.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, date_time_ymd,
};

use crate::scene::Scene;

/// An authority of the test's own.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate.
    pub pem: String,
    /// Its key.
    pub key: String,
}

/// The files of a certificate.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// A new authority, which is not trusted anywhere yet.
    pub fn new() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).expect("no names");
        authority.distinguished_name = called("an authority of the tests");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority"))
    }

    /// Its own certificate, as PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Signs a certificate for this name, of a server or a client.
    pub fn sign(&self, name: &str) -> Certificate {
        self.sign_until(name, 4_000)
    }

    /// Signs one that has expired.
    pub fn sign_expired(&self, name: &str) -> Certificate {
        self.sign_until(name, 2_020)
    }

    fn sign_until(&self, name: &str, year: i32) -> Certificate {
        let key = KeyPair::generate().expect("a key");
        let mut certificate = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        certificate.distinguished_name = called(name);
        certificate.not_after = date_time_ymd(year, 1, 1);
        let certificate = certificate.signed_by(&key, &self.0).expect("a certificate");
        Certificate { pem: certificate.pem(), key: key.serialize_pem() }
    }
}

/// A certificate whose subject is called as its issuer would count as one that has signed itself.
fn called(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

impl Certificate {
    /// Writes it into the test's folder.
    pub fn write(&self, scene: &Scene, name: &str) -> CertificateFiles {
        CertificateFiles {
            certificate: scene.write(&format!("{name}.pem"), &self.pem),
            key: scene.write(&format!("{name}.key"), &self.key),
        }
    }
}
