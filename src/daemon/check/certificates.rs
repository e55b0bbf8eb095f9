//! Until when the certificates are valid that this host shows, or by which it knows others.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};

use super::finding::Finding;
use crate::files;

/// The subject of all findings about certificates.
pub const CERTIFICATES: &str = "certificates";
/// A certificate that is valid for less is reported.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);
/// A time after the last one that a certificate can name, the end of the year 9999.
const NEVER: Duration = Duration::from_secs(253_402_300_800);

/// The finding about a file of certificates, of which the one counts that ends first.
pub fn file(name: &str, path: &Path, now: SystemTime) -> Finding {
    let shown = format!("{name} {}", path.display());
    let found = files::read(path, files::CONFIGURATION).map_err(|error| error.to_string());
    let found = found.and_then(|pem| {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        all.map_err(|error| error.to_string())
    });
    let validities: Vec<_> = match &found {
        Ok(found) => found.iter().filter_map(validity).collect(),
        Err(error) => {
            let found = format!("{shown}: {error}");
            return Finding::broken(CERTIFICATES, found, "the daemon does not start with them");
        }
    };
    match validities.into_iter().min_by_key(|(_, until)| *until) {
        Some((from, until)) => finding(&shown, from, until, now),
        None => {
            let found = format!("{shown}: no certificate in it can be read");
            Finding::degraded(CERTIFICATES, found, "it is not known until when it is valid")
        }
    }
}

fn finding(shown: &str, from: SystemTime, until: SystemTime, now: SystemTime) -> Finding {
    let day = |time: SystemTime| {
        let time = jiff::Timestamp::try_from(time).unwrap_or_default();
        time.strftime("%F").to_string()
    };
    let left = until.duration_since(now);
    if now < from {
        let found = format!("{shown}: valid from {}, which is to come", day(from));
        let advice = "is the clock right? Until then all connections with it are refused";
        return Finding::broken(CERTIFICATES, found, advice);
    }
    match left {
        Err(_) => {
            let found = format!("{shown}: expired on {}", day(until));
            let advice = "renew it, then `systemctl reload probelet`; connections are refused";
            Finding::broken(CERTIFICATES, found, advice)
        }
        Ok(left) if left < SOON => {
            let days = left.as_secs() / (24 * 3600);
            let found = format!("{shown}: expires on {}, in {days} days", day(until));
            Finding::degraded(CERTIFICATES, found, "renew it, then `systemctl reload probelet`")
        }
        Ok(_) => Finding::good(CERTIFICATES, format!("{shown}: valid until {}", day(until))),
    }
}

/// The first and the last moment of a certificate's validity. The library has no function for them, but
/// says in its errors why a certificate is not valid at a time.
fn validity(certificate: &CertificateDer<'_>) -> Option<(SystemTime, SystemTime)> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let algorithms = ring::default_provider().signature_verification_algorithms;
    let error = |time| {
        let (time, usage) = (UnixTime::since_unix_epoch(time), KeyUsage::server_auth());
        let verified =
            certificate.verify_for_usage(algorithms.all, &[], &[], time, usage, None, None);
        verified.err()
    };
    let after = |time: UnixTime| UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs()));
    let until = match error(NEVER)? {
        Error::CertExpired { not_after, .. } => after(not_after)?,
        _ => return None,
    };
    let from = match error(Duration::ZERO)? {
        Error::CertNotValidYet { not_before, .. } => after(not_before)?,
        _ => UNIX_EPOCH,
    };
    Some((from, until))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, IsCa, KeyPair, date_time_ymd};

    use super::super::finding::Verdict;
    use super::*;

    fn pem(from: i32, until: i32, is_ca: bool) -> String {
        let mut params = CertificateParams::new(vec!["host.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        if is_ca {
            params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn the_certificate_that_ends_first_decides() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain.pem");
        let at = |days: u64| UNIX_EPOCH + Duration::from_secs(days * 24 * 3600);
        let found = |text: String, now: u64| {
            std::fs::write(&path, text).unwrap();
            let finding = file("--tls-cert", &path, at(now));
            let name = format!("--tls-cert {}: ", path.display());
            (finding.verdict, finding.found.strip_prefix(&name).unwrap().to_owned())
        };
        // 2030-01-01 is 21915 days after 1970-01-01.
        for is_ca in [false, true] {
            let chain = || pem(2020, 2030, is_ca) + &pem(2010, 2090, true);
            let expected = |verdict, text: &str| (verdict, text.to_owned());
            let good = expected(Verdict::Good, "valid until 2030-01-01");
            assert_eq!(found(chain(), 21_915 - 31), good);
            let soon = expected(Verdict::Degraded, "expires on 2030-01-01, in 29 days");
            assert_eq!(found(chain(), 21_915 - 29), soon);
            let over = expected(Verdict::Broken, "expired on 2030-01-01");
            assert_eq!(found(chain(), 21_916), over);
            let early = expected(Verdict::Broken, "valid from 2020-01-01, which is to come");
            assert_eq!(found(chain(), 1), early);
        }
        assert_eq!(found("nothing".to_owned(), 1).0, Verdict::Degraded);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file("--tls-cert", &path, at(1)).verdict, Verdict::Broken);
    }
}
