use super::*;

#[test]
fn two_thousand_attempts_leak_no_descriptor() {
    let (_, module) = module_path!().split_once("::").unwrap();
    let name = format!("{module}::two_thousand_attempts_leak_no_descriptor");
    if std::env::var_os(ALONE).is_none() {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        let done = again.args(["--exact", &name]).env(ALONE, "1").output().unwrap();
        let output = String::from_utf8_lossy(&done.stdout);
        // A wrong name would run no test, and pass.
        assert!(done.status.success() && output.contains("1 passed"), "{output}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (_v4, _v6, refused) = refusing();
        let hanging = Server::raw(|_stream| std::future::ready(())).await;
        let secret = secure(speaking(&["h2", "http/1.1"]), |stream| {
            serve_h2(stream, |_| async { ::http::Response::new(http_body_util::Full::from("x")) })
        })
        .await;
        let https = HttpGet { scheme: Scheme::Https, ..get("/") };
        let grpc =
            |tls| Handler::Grpc(Grpc { port: web(), service: String::new(), tls, host: None });
        let short = Duration::from_millis(2);
        let kinds = [
            (tcp(None), secret.port, AMPLE),
            (tcp(Some("no.such.host")), refused, short),
            (Handler::HttpGet(get("/")), refused, AMPLE),
            (Handler::HttpGet(https.clone()), secret.port, AMPLE),
            (Handler::HttpGet(https), hanging.port, short),
            (grpc(false), hanging.port, short),
            (grpc(false), refused, AMPLE),
            (grpc(true), secret.port, AMPLE),
        ];
        for (handler, port, timeout) in kinds.clone() {
            run(Here, handler, port, timeout).await;
        }
        let before = descriptors();
        for (handler, port, timeout) in kinds.into_iter().cycle().take(ATTEMPTS) {
            run(Here, handler, port, timeout).await;
        }
        // The servers close their ends with a delay.
        let settled = async {
            while descriptors() > before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let settled = tokio::time::timeout(AMPLE, settled).await;
        assert!(settled.is_ok(), "{before} before, {} after", descriptors());
    });
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
