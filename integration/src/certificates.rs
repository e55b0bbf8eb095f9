//! Certificates for the daemon and for its clients over TCP.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

pub use rcgen::ExtendedKeyUsagePurpose as Usage;

/// A certificate authority. It writes the certificates that it signs to its folder.
pub struct Authority {
    folder: PathBuf,
    /// The file of the root certificate.
    pub root: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    /// The certificates between the root and this authority's own, this one included, in PEM.
    chain: String,
}

impl Authority {
    /// A root authority, with its certificate in `NAME.pem`.
    pub fn new(folder: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let (params, key) = authority(name)?;
        let root = folder.join(format!("{name}.pem"));
        fs::write(&root, params.self_signed(&key)?.pem())?;
        let (folder, issuer) = (folder.to_owned(), Issuer::new(params, key));
        Ok(Self { folder, root, issuer, chain: String::new() })
    }

    /// An authority below this one, without extended key usages.
    pub fn intermediate(&self, name: &str) -> Result<Self> {
        let (params, key) = authority(name)?;
        let chain = params.signed_by(&key, &self.issuer)?.pem() + &self.chain;
        let (folder, root, issuer) =
            (self.folder.clone(), self.root.clone(), Issuer::new(params, key));
        Ok(Self { folder, root, issuer, chain })
    }

    /// Writes `NAME.pem` and `NAME.key` for a server with this host name or address.
    pub fn sign_server(&self, name: &str, host: &str) -> Result<[PathBuf; 2]> {
        self.sign(name, host, &[Usage::ServerAuth])
    }

    pub fn sign_client(&self, name: &str) -> Result<[PathBuf; 2]> {
        self.sign(name, "somebody", &[Usage::ClientAuth])
    }

    /// Writes `NAME.pem` and `NAME.key` with exactly these extended key usages.
    pub fn sign(&self, name: &str, host: &str, usages: &[Usage]) -> Result<[PathBuf; 2]> {
        let mut params = CertificateParams::new(vec![host.to_owned()])?;
        params.extended_key_usages = usages.to_vec();
        let key = KeyPair::generate()?;
        let paths = ["pem", "key"].map(|ending| self.folder.join(format!("{name}.{ending}")));
        fs::write(&paths[0], params.signed_by(&key, &self.issuer)?.pem() + &self.chain)?;
        fs::write(&paths[1], key.serialize_pem())?;
        Ok(paths)
    }
}

fn authority(name: &str) -> Result<(CertificateParams, KeyPair)> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    Ok((params, KeyPair::generate()?))
}
