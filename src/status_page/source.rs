//! Where the facts of a page come from, and the newest page, which callers share.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use probelet_kube_wire::negotiate::MetaVersion;
use probelet_kube_wire::options::IncludeObject;
use probelet_kube_wire::status::GroupResource;
use probelet_kube_wire::table::{TableOptions, Tables};
use probelet_kube_wire::time::Timestamp;
use probelet_runtime::Runtime;
use serde_json::Value;
use tokio::sync::Mutex;

use super::facts::{CASES, Facts, Host, ROWS, Row, counted};
use super::standing::Standing;
use super::{document, response, trouble};
use crate::domain::pod::PodView;
use crate::kube_objects::micros;
use crate::supervisor::{Supervisor, now};
use crate::{build_info, files, manifest};

/// A page is made at most this often, however many callers there are.
const FRESH: Duration = Duration::from_secs(1);

/// The page, as it is served.
pub struct StatusPage {
    supervisor: Arc<Supervisor>,
    runtime: Arc<dyn Runtime>,
    started: SystemTime,
    host: String,
    texts: bool,
    newest: Mutex<Option<(Instant, Bytes)>>,
}

impl StatusPage {
    /// The page of a daemon that started at this time. `texts`: whether texts that containers wrote
    /// are shown.
    pub fn new(
        supervisor: Arc<Supervisor>,
        runtime: Arc<dyn Runtime>,
        started: SystemTime,
        texts: bool,
    ) -> Self {
        let host = files::read_kernel("/proc/sys/kernel/hostname").unwrap_or_default();
        let (host, newest) = (host.trim().to_owned(), Mutex::new(None));
        Self { supervisor, runtime, started, host, texts, newest }
    }

    /// Answers a GET or HEAD of `/`.
    pub async fn answer<B>(
        &self,
        request: &Request<B>,
    ) -> Result<Response<Full<Bytes>>, http::Error> {
        match response::refusal(request, &self.host) {
            Some((status, text)) => response::plain(status, text),
            None => response::page(self.newest().await, request.uri().query().is_none()),
        }
    }

    /// The newest page, made anew if it is too old. Callers wait for one that is being made.
    async fn newest(&self) -> Bytes {
        let mut newest = self.newest.lock().await;
        match &*newest {
            Some((at, page)) if now().mono.saturating_duration_since(*at) < FRESH => page.clone(),
            _ => {
                let page = Bytes::from(document::render(&self.facts().await));
                *newest = Some((now().mono, page.clone()));
                page
            }
        }
    }

    async fn facts(&self) -> Facts {
        let now = now().wall;
        let mut pods: Vec<_> =
            self.supervisor.list().into_iter().map(|view| (Standing::of(&view), view)).collect();
        pods.sort_by_cached_key(|(standing, view)| (*standing, view.spec.key()));
        let mut cases = trouble::cases(&pods, now);
        let cases_left = cases.len().saturating_sub(CASES);
        cases.truncate(CASES);
        for case in &mut cases {
            let Some(container) = &case.container else { continue };
            let stored = self.supervisor.evidence(&case.view.spec.key(), &container.name).await;
            // A pod that was just deleted has no evidence any more.
            case.evidence = stored.unwrap_or_default().into_iter().next();
        }
        let standings = || pods.iter().map(|(standing, _)| *standing);
        let (counts, rows_left) = (counted(standings()), counted(standings().skip(ROWS)));
        let rows = pods.into_iter().take(ROWS).map(|(standing, view)| row(standing, view, now));
        Facts {
            now,
            host: self.host().await,
            counts,
            cases,
            cases_left,
            rows: rows.collect(),
            rows_left,
            durations: self.supervisor.counters().counts().durations,
            texts: self.texts,
        }
    }

    async fn host(&self) -> Host {
        let link = self.supervisor.link().borrow().clone();
        Host {
            name: self.host.clone(),
            version: build_info::line(),
            containerd: self.runtime.version().await.unwrap_or_default(),
            away_since: (!link.up).then_some(link.since),
            started: self.started,
            brake: self.supervisor.brake(),
        }
    }
}

/// The row of a pod. Its cells are those of `kubectl get pods`, with the marks of `probelet get pods`.
fn row(standing: Standing, view: PodView, now: SystemTime) -> Row {
    let options = TableOptions { version: MetaVersion::V1, include: IncludeObject::None };
    let now = Timestamp::from_micros(i64::try_from(micros(now)).unwrap_or(i64::MAX));
    let object = manifest::to_json(&view);
    let table = Tables::of(&GroupResource::new("", "pods"), options).object(&object, now, false);
    let cell = |at: usize| {
        let cell = table.pointer(&format!("/rows/0/cells/{at}")).and_then(Value::as_str);
        cell.unwrap_or_default().to_owned()
    };
    let mut status = cell(2);
    if view.manifest_error.is_some() && view.spec.containers.is_empty() {
        // The manifest has no pod yet.
        status = "ManifestError".to_owned();
    } else {
        let of =
            |flag: fn(&crate::domain::status::ContainerStatus) -> bool| view.status.all().any(flag);
        let marks = [
            (of(|status| status.paused_until.is_some()), ",ProbesPaused"),
            (of(|status| status.kill_held.is_some()), ",KillHeld"),
            (view.manifest_error.is_some(), ",ManifestError"),
        ];
        status.extend(marks.iter().filter(|(is_so, _)| *is_so).map(|(_, mark)| *mark));
    }
    let (ready, restarts, age) = (cell(1), cell(3), cell(4));
    Row { standing, view, ready, status, restarts, age }
}
