//! The page beside the metrics, in a real Chromium.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use probelet_integration::image::BUSYBOX_IMAGE;
use probelet_integration::{Done, Host, IMAGE, SOON, bounded, eventually, finish, free_address};
use serde_json::json;

/// A browser with a profile of its own, which connects to the page only.
struct Browser {
    program: PathBuf,
    profile: PathBuf,
}

impl Browser {
    fn new(host: &Host) -> Result<Self> {
        let program = std::env::var_os("CHROMIUM").context("CHROMIUM is not set")?;
        Ok(Self { program: program.into(), profile: host.path("chromium") })
    }

    /// Runs the browser on a page. Fails if it complains about the page: about its policy, or about
    /// anything that it tried to load.
    fn run(&self, url: &str, more: &[&str]) -> Result<String> {
        let mut command = bounded(&self.program);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]);
        command.args(["--no-first-run", "--disable-background-networking", "--disable-sync"]);
        command.args(["--disable-component-update", "--disable-dev-shm-usage"]);
        command.args(["--hide-scrollbars", "--enable-logging=stderr", "--log-level=0"]);
        command.arg(format!("--user-data-dir={}", self.profile.display()));
        command.args(more).arg(url);
        let Done { code, stdout, stderr } = finish(&mut command, "")?;
        ensure!(code == Some(0), "{url}: {code:?}\n{stderr}");
        let complaints: Vec<_> = stderr
            .lines()
            .filter(|line| line.contains(":CONSOLE") || line.contains("Content Security Policy"))
            .collect();
        ensure!(complaints.is_empty(), "{url}: {complaints:#?}");
        Ok(stdout)
    }

    /// The page as the browser has read it.
    fn dom(&self, url: &str) -> Result<String> {
        self.run(url, &["--dump-dom"])
    }

    /// Takes a picture, and returns its size in bytes.
    fn picture(&self, url: &str, file: &Path, width: u32, is_dark: bool) -> Result<u64> {
        let (file_flag, size) =
            (format!("--screenshot={}", file.display()), format!("--window-size={width},1600"));
        let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!is_dark));
        self.run(url, &[&file_flag, &size, &scheme])?;
        Ok(fs::metadata(file)?.len())
    }
}

fn ask(address: &str, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    write!(stream, "{request}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// A host whose pod `web` is killed by its liveness probe again and again.
fn host(flags: &[&str]) -> Result<(Host, String)> {
    let mut host = Host::start()?;
    let address = free_address()?;
    host.start_daemon_with(&[&["--metrics-address", &address], flags].concat())?;
    host.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: web }}\nspec:\n  \
         terminationGracePeriodSeconds: 1\n  containers:\n  \
         - {{ name: app, image: {IMAGE}, args: [serve, --fail-after, \"1\"], livenessProbe: \
         {{ httpGet: {{ port: 8080 }}, periodSeconds: 1, failureThreshold: 1 }} }}\n"
    ))?;
    Ok((host, address))
}

/// Runs a container that is ready never, and whose probe prints markup.
fn apply_hostile(host: &Host) -> Result<()> {
    host.busybox_image(&json!({}))?;
    host.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{ name: hostile }}\nspec:\n  \
         terminationGracePeriodSeconds: 1\n  containers:\n  \
         - name: app\n    image: {}\n    command: [sleep, \"3600\"]\n    \
         readinessProbe:\n      periodSeconds: 1\n      exec:\n        command:\n        \
         - sh\n        - -c\n        \
         - echo '<script>document.title=\"owned\"</script><img src=/owned>'; exit 1\n",
        BUSYBOX_IMAGE
    ))?;
    Ok(())
}

/// The page once it has all these texts.
fn shown(browser: &Browser, url: &str, texts: &[&str]) -> Result<String> {
    let mut last = String::new();
    let seen = eventually("the page", SOON * 4, || {
        last = browser.dom(url).unwrap_or_else(|error| format!("{error:#}"));
        texts.iter().all(|text| last.contains(text)).then_some(())
    });
    seen.with_context(|| format!("wanted {texts:?}, the last page was\n{last}"))?;
    Ok(last)
}

/// Where pictures are kept, to be looked at; without the variable they are removed.
fn folder(host: &Host) -> PathBuf {
    std::env::var_os("PROBELET_PICTURES").map_or_else(|| host.path(""), PathBuf::from)
}

#[test]
fn the_page_shows_a_real_restart_and_its_evidence() -> Result<()> {
    let (host, address) = host(&[])?;
    let (browser, url) = (Browser::new(&host)?, format!("http://{address}/?refresh=off"));
    let texts = [
        "The only pod needs attention",
        "CrashLoopBackOff",
        "liveness probe failed",
        "exit code 137 (SIGKILL)",
        "unexpected ends in the last hour",
        "was doing when it was killed",
        "<b>liveness</b>",
        "probelet describe pod web --evidence",
    ];
    let page = shown(&browser, &url, &texts)?;
    // The probe's answer is the container's text.
    ensure!(!page.contains("statuscode"), "{page}");
    ensure!(!page.contains("<script"), "{page}");
    for (width, is_dark) in [(400, false), (400, true), (1400, false), (1400, true)] {
        let scheme = if is_dark { "dark" } else { "light" };
        let file = folder(&host).join(format!("page-{width}-{scheme}.png"));
        ensure!(browser.picture(&url, &file, width, is_dark)? > 10_000, "{}", file.display());
    }
    Ok(())
}

#[test]
fn what_containers_wrote_is_text_to_the_browser() -> Result<()> {
    let (host, address) = host(&["--metrics-page-texts"])?;
    apply_hostile(&host)?;
    let (browser, url) = (Browser::new(&host)?, format!("http://{address}/?refresh=off"));
    let script = "&lt;script&gt;document.title=\"owned\"&lt;/script&gt;&lt;img src=/owned&gt;";
    let texts = ["HTTP probe failed with statuscode: 500", "2 of 2 pods need attention", script];
    let page = shown(&browser, &url, &texts)?;
    ensure!(!page.contains("<script") && !page.contains("<img"), "{page}");
    ensure!(!page.contains("<title>owned"), "{page}");
    let file = folder(&host).join("page-texts.png");
    ensure!(browser.picture(&url, &file, 1400, false)? > 10_000, "{}", file.display());
    Ok(())
}

#[test]
fn only_the_page_itself_is_served_and_only_to_names_of_this_host() -> Result<()> {
    let mut host = Host::start()?;
    let address = free_address()?;
    host.start_daemon_with(&["--metrics-address", &address])?;
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\nHost: {address}"), "200 OK"),
        ("GET / HTTP/1.1\r\nHost: localhost:9464".to_owned(), "200 OK"),
        ("GET / HTTP/1.1\r\nHost: attacker.example".to_owned(), "421 "),
        ("GET /?x=y HTTP/1.1\r\nHost: localhost".to_owned(), "400 "),
        ("POST / HTTP/1.1\r\nHost: localhost".to_owned(), "405 "),
        ("GET /favicon.ico HTTP/1.1\r\nHost: localhost".to_owned(), "404 "),
        ("GET /metrics/ HTTP/1.1\r\nHost: localhost".to_owned(), "404 "),
        ("GET /metrics HTTP/1.1\r\nHost: prometheus.example".to_owned(), "200 OK"),
    ] {
        let answer = ask(&address, &request)?;
        ensure!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
    }
    let answer = ask(&address, "HEAD / HTTP/1.1\r\nHost: localhost")?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no end of the headers")?;
    ensure!(body.is_empty(), "{body}");
    for header in [
        "content-security-policy: default-src 'none'; ",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "refresh: 10",
    ] {
        ensure!(head.contains(header), "no {header} in {head}");
    }
    let refused = ask(&address, "DELETE /metrics HTTP/1.1\r\nHost: localhost")?;
    ensure!(refused.to_lowercase().contains("allow: get, head"), "{refused}");
    Ok(())
}
