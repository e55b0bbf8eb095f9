//! `/etc/hosts` and `/etc/resolv.conf`, read as forgivingly as libc does: a word that is not
//! known must not cost a container its name servers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

const PORT: u16 = 53;
/// `MAXNS` of libc; further servers are never asked.
const MAX_SERVERS: usize = 3;

/// The addresses that a hosts file gives a name, IPv4 first.
pub(super) fn hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut ips = Vec::new();
    for line in text.lines() {
        let mut words = before(line, &['#']).split_whitespace();
        let ip = words.next().and_then(|ip| ip.parse().ok());
        if let Some(ip) = ip.filter(|_| words.any(|word| word.eq_ignore_ascii_case(name))) {
            ips.push(ip);
        }
    }
    ips.sort_by_key(IpAddr::is_ipv6);
    ips
}

fn before<'a>(line: &'a str, marks: &[char]) -> &'a str {
    line.split(marks).next().unwrap_or_default()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResolvConf {
    pub(super) servers: Vec<SocketAddr>,
    pub(super) search: Vec<String>,
    /// A name with fewer dots is searched for before it is tried as it stands.
    pub(super) ndots: usize,
    /// For one answer of one server.
    pub(super) timeout: Duration,
    /// How often all servers are asked.
    pub(super) attempts: u32,
    pub(super) use_tcp: bool,
}

impl ResolvConf {
    /// Where libc's own limits apply (`resolv.conf(5)`), so do they here.
    pub(super) fn parse(text: &str) -> Self {
        let mut conf = Self {
            servers: vec![],
            search: vec![],
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
            use_tcp: false,
        };
        for line in text.lines() {
            let mut words = before(line, &['#', ';']).split_whitespace();
            match words.next() {
                Some("nameserver") if conf.servers.len() < MAX_SERVERS => {
                    let ip = words.next().and_then(|ip| ip.parse().ok());
                    conf.servers.extend(ip.map(|ip: IpAddr| SocketAddr::new(ip, PORT)));
                }
                // The last of these lines counts.
                Some("domain") => conf.search = words.take(1).map(str::to_owned).collect(),
                Some("search") => conf.search = words.map(str::to_owned).collect(),
                Some("options") => words.for_each(|option| conf.option(option)),
                _ => {}
            }
        }
        if conf.servers.is_empty() {
            conf.servers.push((Ipv4Addr::LOCALHOST, PORT).into());
        }
        conf
    }

    fn option(&mut self, option: &str) {
        let (key, value) = option.split_once(':').unwrap_or((option, ""));
        let number = value.parse::<u8>().ok();
        match (key, number) {
            ("ndots", Some(dots)) => self.ndots = usize::from(dots.min(15)),
            ("timeout", Some(seconds)) => {
                self.timeout = Duration::from_secs(seconds.clamp(1, 30).into());
            }
            ("attempts", Some(times)) => self.attempts = times.clamp(1, 5).into(),
            ("use-vc", _) => self.use_tcp = true,
            _ => {}
        }
    }

    /// What is asked for in turn, each with a final dot.
    pub(super) fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let searched = self.search.iter().map(|domain| match domain.trim_matches('.') {
            "" => format!("{name}."),
            domain => format!("{name}.{domain}."),
        });
        let mut all: Vec<_> = searched.collect();
        let first = name.matches('.').count() >= self.ndots;
        all.insert(if first { 0 } else { all.len() }, format!("{name}."));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_by_any_of_their_names() {
        let text = "# local\n127.0.0.1 localhost\n::7\tdb.local DB # same\n10.0.0.7 x db\nbad db\n";
        let ips = |name| hosts(text, name).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(ips("db"), ["10.0.0.7", "::7"]);
        assert_eq!(ips("Db.Local."), ["::7"]);
        assert!(ips("same").is_empty() && ips("10.0.0.7").is_empty() && ips("").is_empty());
    }

    #[test]
    fn what_resolv_conf_leaves_out_is_as_in_libc() {
        let conf = ResolvConf::parse("options new-thing ndots:x\nnameserver nonsense\nwhat?");
        assert_eq!(conf.servers, ["127.0.0.1:53".parse().unwrap()]);
        let told = (conf.ndots, conf.timeout, conf.attempts, conf.use_tcp);
        assert_eq!(told, (1, Duration::from_secs(5), 2, false));
    }

    #[test]
    fn the_last_search_list_and_the_first_three_servers_count() {
        let conf = ResolvConf::parse(
            "nameserver 10.0.0.1 ; one\nnameserver ::2\n\tnameserver 10.0.0.3\nnameserver 10.0.0.4\n\
             search a b\ndomain c d\nsearch e f. # g\noptions rotate ndots:99 timeout:0 attempts:9 use-vc\n",
        );
        let servers: Vec<_> = conf.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.1:53", "[::2]:53", "10.0.0.3:53"]);
        assert_eq!(conf.search, ["e", "f."]);
        let told = (conf.ndots, conf.timeout, conf.attempts, conf.use_tcp);
        assert_eq!(told, (15, Duration::from_secs(1), 5, true));
    }

    #[test]
    fn names_with_few_dots_are_searched_for_first() {
        let conf = ResolvConf::parse("search ns.svc svc.\noptions ndots:2");
        assert_eq!(conf.candidates("db"), ["db.ns.svc.", "db.svc.", "db."]);
        assert_eq!(conf.candidates("a.b.c"), ["a.b.c.", "a.b.c.ns.svc.", "a.b.c.svc."]);
        assert_eq!(conf.candidates("db."), ["db."]);
    }
}
