//! A kill and its evidence, with a collector that answers, hangs or fails.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use tokio::sync::oneshot;

use super::*;
use crate::domain::evidence::{CAPTURE, Evidence};
use crate::evidence::{EvidenceCollector, EvidenceSource, Sample};

#[derive(Default)]
struct Scripted {
    hangs: bool,
    sources: Mutex<Vec<EvidenceSource>>,
    samples: AtomicUsize,
    /// The number of samples before the capture.
    samples_before: AtomicUsize,
    forgotten: AtomicBool,
}

#[async_trait]
impl EvidenceCollector for Scripted {
    async fn capture(
        &self,
        evidence_source: EvidenceSource,
        _: Arc<dyn Task>,
        _stop: oneshot::Sender<()>,
    ) -> Result<Vec<String>, String> {
        self.samples_before.store(self.samples.load(Relaxed), Relaxed);
        self.sources.lock().unwrap().push(evidence_source);
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Err("the disk is full".into())
    }

    async fn sample(&self, _: &Path, _: Arc<dyn Task>) -> Option<Sample> {
        self.samples.fetch_add(1, Relaxed);
        None
    }

    async fn stored(&self, _: &Path, uid: &str) -> Vec<Evidence> {
        vec![Evidence { uid: uid.into(), ..Evidence::default() }]
    }

    async fn delete_all(&self, _: &Path) {
        self.forgotten.store(true, Relaxed);
    }
}

fn host(hangs: bool) -> (Host, Arc<Scripted>) {
    let collector = Arc::new(Scripted { hangs, ..Scripted::default() });
    let used: Arc<dyn EvidenceCollector> = collector.clone();
    (Host::with(Fake::default(), |builder| builder.evidence_collector(used)), collector)
}

async fn condemned(host: &Host) {
    host.supervisor.apply(pod("app"), Wanted::Running).await.unwrap();
    host.restarts(0).await;
    host.prober.0.store(true, Relaxed);
    host.restarts(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_capture_that_hangs_does_not_delay_the_kill() {
    let (host, evidence_collector) = host(true);
    let start = tokio::time::Instant::now();
    condemned(&host).await;
    // The third failure at 30 s, the longest wait for evidence, an end at the first SIGTERM.
    let took = start.elapsed() - Duration::from_secs(30);
    assert!(took >= CAPTURE && took < CAPTURE + Duration::from_millis(100), "{took:?}");
    let sources = evidence_collector.sources.lock().unwrap();
    assert_eq!(sources.len(), 1);
    assert!(sources[0].cause.contains("HTTP probe failed"), "{}", sources[0].cause);
    assert_eq!(sources[0].probes[0].failures, 3);
    assert_eq!(evidence_collector.samples_before.load(Relaxed), 2, "at the failures before");
}

#[tokio::test(start_paused = true)]
async fn evidence_that_fails_is_reported_and_changes_nothing_else() {
    let (host, _) = host(false);
    condemned(&host).await;
    let told = host.supervisor.events().after(0, &Subject::Pod(key("web")));
    let evidence = told.iter().find(|event| event.reason == "Evidence").unwrap();
    assert_eq!(evidence.message, "none: the disk is full");
}

#[tokio::test(start_paused = true)]
async fn evidence_is_read_by_pod_and_container_and_deleted_with_them() {
    let (host, evidence_collector) = host(false);
    condemned(&host).await;
    assert_eq!(host.supervisor.evidence(&key("web"), "").await.unwrap()[0].uid, "u");
    let unknown = host.supervisor.evidence(&key("web"), "x").await;
    assert!(matches!(unknown, Err(SupervisorError::NoContainer { .. })));
    assert!(!evidence_collector.forgotten.load(Relaxed));
    host.supervisor.requests().want(&key("web"), Wanted::Removed, None, None).unwrap();
    host.supervisor.wait_gone(&key("web"), MINUTE).await.unwrap();
    assert!(evidence_collector.forgotten.load(Relaxed));
}
