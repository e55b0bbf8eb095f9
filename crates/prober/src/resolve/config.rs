//! Parsers of `/etc/hosts` and `/etc/resolv.conf`. As in libc, unknown lines and options are
//! ignored, so that the name servers stay usable.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

const PORT: u16 = 53;
/// Maximum number of name servers, libc's `MAXNS`; further ones are ignored.
const MAX_SERVERS: usize = 3;

/// Returns the addresses of a name in a hosts file, IPv4 first.
pub fn hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut ips = Vec::new();
    for line in text.lines() {
        let mut fields = before(line, &['#']).split_whitespace();
        let ip = fields.next().and_then(|ip| ip.parse().ok());
        if let Some(ip) = ip.filter(|_| fields.any(|field| field.eq_ignore_ascii_case(name))) {
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
pub struct ResolvConf {
    pub(super) servers: Vec<SocketAddr>,
    pub(super) search: Vec<String>,
    /// A name with fewer dots is first tried with the search domains.
    pub(super) ndots: usize,
    /// Timeout of one answer of one server.
    pub(super) timeout: Duration,
    /// Number of rounds in which all servers are asked.
    pub(super) attempts: u32,
    /// Whether servers are asked only over TCP: the option `use-vc`.
    pub(super) use_tcp: bool,
}

impl ResolvConf {
    /// Parses a `resolv.conf`, with the defaults and limits of libc (`resolv.conf(5)`).
    pub fn parse(text: &str) -> Self {
        let mut conf = Self {
            servers: vec![],
            search: vec![],
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
            use_tcp: false,
        };
        for line in text.lines() {
            let mut fields = before(line, &['#', ';']).split_whitespace();
            match fields.next() {
                Some("nameserver") if conf.servers.len() < MAX_SERVERS => {
                    let ip = fields.next().and_then(|ip| ip.parse().ok());
                    conf.servers.extend(ip.map(|ip: IpAddr| SocketAddr::new(ip, PORT)));
                }
                // The last of these lines has an effect.
                Some("domain") => conf.search = fields.take(1).map(str::to_owned).collect(),
                Some("search") => conf.search = fields.map(str::to_owned).collect(),
                Some("options") => fields.for_each(|option| conf.option(option)),
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

    /// Returns the names that are asked for one after the other, each with a final dot.
    pub fn candidates(&self, name: &str) -> Vec<String> {
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
    fn defaults_of_resolv_conf_are_those_of_libc() {
        let conf = ResolvConf::parse("options new-thing ndots:x\nnameserver nonsense\nwhat?");
        assert_eq!(conf.servers, ["127.0.0.1:53".parse().unwrap()]);
        let options = (conf.ndots, conf.timeout, conf.attempts, conf.use_tcp);
        assert_eq!(options, (1, Duration::from_secs(5), 2, false));
    }

    #[test]
    fn the_last_search_list_and_the_first_three_servers_are_used() {
        let conf = ResolvConf::parse(
            "nameserver 10.0.0.1 ; one\nnameserver ::2\n\tnameserver 10.0.0.3\nnameserver 10.0.0.4\n\
             search a b\ndomain c d\nsearch e f. # g\noptions rotate ndots:99 timeout:0 attempts:9 use-vc\n",
        );
        let servers: Vec<_> = conf.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.1:53", "[::2]:53", "10.0.0.3:53"]);
        assert_eq!(conf.search, ["e", "f."]);
        let options = (conf.ndots, conf.timeout, conf.attempts, conf.use_tcp);
        assert_eq!(options, (15, Duration::from_secs(1), 5, true));
    }

    #[test]
    fn names_with_few_dots_are_searched_for_first() {
        let conf = ResolvConf::parse("search ns.svc svc.\noptions ndots:2");
        assert_eq!(conf.candidates("db"), ["db.ns.svc.", "db.svc.", "db."]);
        assert_eq!(conf.candidates("a.b.c"), ["a.b.c.", "a.b.c.ns.svc.", "a.b.c.svc."]);
        assert_eq!(conf.candidates("db."), ["db."]);
    }
}
