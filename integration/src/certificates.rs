//! Certificates for callers by TCP and for who is called.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// A root, in `NAME.pem`; what it signs goes beside it.
pub struct Authority {
    folder: PathBuf,
    pub root: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(folder: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate()?;
        let root = folder.join(format!("{name}.pem"));
        fs::write(&root, params.self_signed(&key)?.pem())?;
        Ok(Self { folder: folder.to_owned(), root, issuer: Issuer::new(params, key) })
    }

    /// `NAME.pem` and `NAME.key`, for this host or whoever.
    pub fn sign(&self, name: &str, host: &str) -> Result<[PathBuf; 2]> {
        let params = CertificateParams::new(vec![host.to_owned()])?;
        let key = KeyPair::generate()?;
        let paths = ["pem", "key"].map(|ending| self.folder.join(format!("{name}.{ending}")));
        fs::write(&paths[0], params.signed_by(&key, &self.issuer)?.pem())?;
        fs::write(&paths[1], key.serialize_pem())?;
        Ok(paths)
    }
}
