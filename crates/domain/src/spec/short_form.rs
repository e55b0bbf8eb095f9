//! Short form of a probe's handler, as in labels of containers and in the API.

use super::{Exec, Grpc, Handler, HttpGet, PortRef, Scheme, SpecError, TcpSocket};

/// Reads `http://[HOST]:PORT/path`, `https://…`, `tcp://[HOST]:PORT`, `grpc://:PORT[/SERVICE]`,
/// `grpcs://…` or `exec:COMMAND`. A command is split as by a shell.
///
/// # Errors
///
/// An error of `field`, if the text has none of these forms.
pub fn handler(field: &str, text: &str) -> Result<Handler, SpecError> {
    let parsed = match text.strip_prefix("exec:") {
        Some(command) => exec(command),
        None => socket(text),
    };
    parsed.map_err(|why| SpecError::invalid(field, text, why))
}

fn exec(command: &str) -> Result<Handler, &'static str> {
    let command = shlex::split(command).ok_or("a quote or a backslash is left open")?;
    if command.is_empty() {
        return Err("must name a command");
    }
    Ok(Handler::Exec(Exec { command }))
}

fn socket(text: &str) -> Result<Handler, &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or("must begin with a scheme")?;
    let (authority, target) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let (host, port) = authority.rsplit_once(':').ok_or("must name a port")?;
    let port = self::port(port)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = Some(host.to_owned()).filter(|host| !host.is_empty());
    let http = |scheme, host, port| {
        let path = target.to_owned();
        Handler::HttpGet(HttpGet { scheme, host, port, path, headers: Vec::new() })
    };
    match scheme {
        "http" => Ok(http(Scheme::Http, host, port)),
        "https" => Ok(http(Scheme::Https, host, port)),
        "tcp" if target == "/" => Ok(Handler::TcpSocket(TcpSocket { host, port })),
        "tcp" => Err("a tcp probe has no path"),
        "grpc" | "grpcs" if host.is_some() => Err("a grpc probe has no host"),
        "grpc" | "grpcs" => {
            let service = target.strip_prefix('/').ok_or("a grpc probe has no query")?;
            Ok(Handler::Grpc(Grpc {
                port,
                service: service.into(),
                tls: scheme == "grpcs",
                host: None,
            }))
        }
        _ => Err("supported schemes: http, https, tcp, grpc, grpcs, exec"),
    }
}

fn port(port: &str) -> Result<PortRef, &'static str> {
    match port.parse::<u16>() {
        Ok(0) | Err(_) if port.chars().all(|c| c.is_ascii_digit()) => {
            Err("the port must be between 1 and 65535, inclusive")
        }
        Ok(number) => Ok(PortRef::Number(number)),
        Err(_) => Ok(PortRef::Name(port.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(scheme: Scheme, host: Option<&str>, port: PortRef, path: &str) -> Handler {
        let (host, path) = (host.map(Into::into), path.into());
        Handler::HttpGet(HttpGet { scheme, host, port, path, headers: vec![] })
    }

    #[test]
    fn short_forms_are_read() {
        let number = PortRef::Number;
        let grpc = |port, service: &str, tls| {
            Handler::Grpc(Grpc { port: number(port), service: service.into(), tls, host: None })
        };
        let exec = |words: &[&str]| {
            Handler::Exec(Exec { command: words.iter().map(ToString::to_string).collect() })
        };
        let cases = [
            ("http://:8080/healthz", get(Scheme::Http, None, number(8080), "/healthz")),
            ("http://:web", get(Scheme::Http, None, PortRef::Name("web".into()), "/")),
            ("http://[::1]:80/a?b=c", get(Scheme::Http, Some("::1"), number(80), "/a?b=c")),
            ("https://:8443/", get(Scheme::Https, None, number(8443), "/")),
            ("tcp://:5432", Handler::TcpSocket(TcpSocket { host: None, port: number(5432) })),
            ("grpc://:9000", grpc(9000, "", false)),
            ("grpc://:9000/my.pkg.Db", grpc(9000, "my.pkg.Db", false)),
            ("grpcs://:9000/db", grpc(9000, "db", true)),
            ("exec:cat /tmp/healthy", exec(&["cat", "/tmp/healthy"])),
            ("exec:sh -c 'test -f \"/a b\"'", exec(&["sh", "-c", "test -f \"/a b\""])),
            ("exec:curl http://:1/", exec(&["curl", "http://:1/"])),
        ];
        for (text, expected) in cases {
            assert_eq!(handler("p", text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn an_invalid_short_form_is_an_error_of_its_field() {
        let cases = [
            ("8080", "scheme"),
            ("http://host/", "must name a port"),
            ("http://:0/", "between 1 and 65535"),
            ("https://:70000/", "between 1 and 65535"),
            ("ftp://:1", "supported schemes"),
            ("tcp://:1/x", "no path"),
            ("grpc://db:9000", "no host"),
            ("grpc://:9000?x", "no query"),
            ("exec:", "must name a command"),
            ("exec:cat 'x", "left open"),
        ];
        for (text, why) in cases {
            let error = handler("livenessProbe.url", text).unwrap_err();
            assert_eq!(error.field, "livenessProbe.url", "{text}");
            assert!(error.reason.contains(why), "{text}: {}", error.reason);
        }
    }
}
