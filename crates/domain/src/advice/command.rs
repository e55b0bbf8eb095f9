//! Signs in a probe's command or path that it starts a program or asks a dependency.

/// Programs that start a Java virtual machine each time.
const JVM: [&str; 6] = ["java", "jcmd", "jstack", "jstat", "jps", "keytool"];
/// Prefixes of well-known Java servers' scripts that start one.
const JVM_SCRIPTS: [&str; 6] = ["kafka-", "zkcli", "zkserver", "nodetool", "cqlsh.jar", "hdfs"];
const CLIENTS: [&str; 7] =
    ["curl", "wget", "nc", "ncat", "telnet", "grpc_health_probe", "grpc-health-probe"];
const LOOPBACK: [&str; 5] = ["localhost", "127.0.0.1", "::1", "[::1]", "0.0.0.0"];
/// Names of dependencies, compared with whole words.
const DEPENDENCIES: [&str; 19] = [
    "db",
    "database",
    "mysql",
    "mariadb",
    "postgres",
    "postgresql",
    "redis",
    "mongo",
    "mongodb",
    "kafka",
    "rabbitmq",
    "elasticsearch",
    "upstream",
    "backend",
    "downstream",
    "dependency",
    "dependencies",
    "ldap",
    "deep",
];

/// Returns the words of a command, including those within a script that is one argument of a shell.
fn words(command: &[String]) -> impl Iterator<Item = &str> {
    let is_edge = |c: char| c.is_whitespace() || "|&;()<>\"'`$".contains(c);
    command.iter().flat_map(move |word| word.split(is_edge)).filter(|word| !word.is_empty())
}

fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

pub fn starts_a_jvm(command: &[String]) -> bool {
    words(command).map(program).any(|word| {
        let word = word.to_ascii_lowercase();
        JVM.contains(&word.as_str()) || JVM_SCRIPTS.iter().any(|known| word.starts_with(known))
    })
}

pub fn calls_a_client(command: &[String]) -> Option<&str> {
    words(command).map(program).find(|word| CLIENTS.contains(word))
}

pub fn retries(command: &[String]) -> bool {
    let all: Vec<_> = words(command).collect();
    let has = |word: &str| all.contains(&word);
    let is_retry = |word: &&str| word.starts_with("--retry") || word.starts_with("--tries");
    let loops = has("do") && has("done") && (has("while") || has("until") || has("for"));
    loops || all.iter().any(is_retry)
}

/// Returns the dependency that a probe seems to ask: another host, or a word of its path; `None` if
/// it asks its own container.
pub fn dependency(host: Option<&str>, path: &str) -> Option<String> {
    if let Some(host) = host.filter(|host| !LOOPBACK.contains(host)) {
        return Some(format!("another host, {host:?}"));
    }
    let mut parts = path.split(|c: char| !c.is_ascii_alphanumeric());
    let named = parts.find(|part| DEPENDENCIES.contains(&part.to_ascii_lowercase().as_str()))?;
    Some(format!("a dependency, {named:?}"))
}

/// Returns the dependency that a command seems to ask, by a URL or a host option in its arguments.
pub fn dependency_of(command: &[String]) -> Option<String> {
    let mut words = words(command).peekable();
    while let Some(word) = words.next() {
        let url = word.split_once("://").map(|(_, rest)| rest);
        let option = match word {
            "-h" | "--host" => words.peek().copied(),
            _ => word.strip_prefix("--host="),
        };
        let Some(target) = url.or(option) else { continue };
        let target = target.rsplit('@').next().unwrap_or(target);
        let (host, path) = target.split_once('/').unwrap_or((target, ""));
        let host = match host.strip_prefix('[') {
            Some(inner) => inner.split(']').next().unwrap_or(inner),
            None => host.split(':').next().unwrap_or(host),
        };
        let found = dependency(Some(host).filter(|host| !host.is_empty()), path);
        if found.is_some() {
            return found;
        }
    }
    None
}
