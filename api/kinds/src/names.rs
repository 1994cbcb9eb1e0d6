//! The forms that names must have, in Kubernetes' words (RFC 1035, RFC 1123, RFC 6335).
//!
//! Every check answers why a name is refused. Written without regular expressions:
//! these run for every label of every object.

/// Limit of a DNS label (RFC 1035, 2.3.4), a label's value and the name part of a qualified name.
const MAX_LABEL: usize = 63;
/// Limit of a DNS name (RFC 1035, 2.3.4, less the length bytes) and of keys in ConfigMaps.
const MAX_SUBDOMAIN: usize = 253;
/// Limit of a service name (RFC 6335, 5.1).
const MAX_PORT_NAME: usize = 15;

/// What a check says: nothing, or why not.
pub type Checked = Result<(), String>;

fn bounded(name: &str, max: usize) -> Checked {
    if name.len() > max { Err(format!("must be no more than {max} bytes")) } else { Ok(()) }
}

fn check(holds: bool, why: &str) -> Checked {
    if holds { Ok(()) } else { Err(why.to_owned()) }
}

fn is_lower_alnum(c: u8) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn is_dns_label(s: &str) -> bool {
    let b = s.as_bytes();
    b.first().is_some_and(|c| is_lower_alnum(*c))
        && b.last().is_some_and(|c| is_lower_alnum(*c))
        && b.iter().all(|c| is_lower_alnum(*c) || *c == b'-')
}

/// Letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
fn is_word(s: &str) -> bool {
    let b = s.as_bytes();
    b.first().is_some_and(u8::is_ascii_alphanumeric)
        && b.last().is_some_and(u8::is_ascii_alphanumeric)
        && b.iter().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(c))
}

/// RFC 1123 subdomain: the name of most objects.
pub fn dns_subdomain(name: &str) -> Checked {
    bounded(name, MAX_SUBDOMAIN)?;
    check(
        name.split('.').all(is_dns_label),
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
         start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    )
}

/// The same with underscores, as domains of services have them.
pub fn dns_subdomain_with_underscore(name: &str) -> Checked {
    bounded(name, MAX_SUBDOMAIN)?;
    let is_part = |part: &str| is_dns_label(&part.strip_prefix('_').unwrap_or(part).replace('_', "-"));
    check(
        name.split('.').all(is_part),
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must \
         start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
         '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')",
    )
}

/// A domain with one wildcard label, the first.
pub fn wildcard(name: &str) -> Checked {
    bounded(name, MAX_SUBDOMAIN)?;
    check(
        name.strip_prefix("*.").is_some_and(|rest| rest.split('.').all(is_dns_label)),
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of \
         lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', \
         regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    )
}

/// RFC 1123 label: namespaces, containers, volumes.
pub fn dns_label(name: &str) -> Checked {
    bounded(name, MAX_LABEL)?;
    check(
        is_dns_label(name),
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
         end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    )
}

/// RFC 1035 label: services, whose names are DNS names that must begin with a letter.
pub fn dns_1035_label(name: &str) -> Checked {
    bounded(name, MAX_LABEL)?;
    check(
        is_dns_label(name) && name.as_bytes()[0].is_ascii_lowercase(),
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
         character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
         validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    )
}

/// A label's key: `name` or `dns.subdomain/name`.
pub fn qualified_name(key: &str) -> Checked {
    const WORD: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                        alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for \
                        validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let name = match key.split_once('/') {
        Some((_, rest)) if rest.contains('/') => {
            return Err(format!(
                "a qualified name {WORD} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
        }
        Some((prefix, name)) => {
            check(!prefix.is_empty(), "prefix part must be non-empty")?;
            dns_subdomain(prefix).map_err(|why| format!("prefix part {why}"))?;
            name
        }
        None => key,
    };
    check(!name.is_empty(), "name part must be non-empty")?;
    bounded(name, MAX_LABEL).map_err(|why| format!("name part {why}"))?;
    check(is_word(name), &format!("name part {WORD}"))
}

/// A label's value; may be empty.
pub fn label_value(value: &str) -> Checked {
    bounded(value, MAX_LABEL)?;
    check(
        value.is_empty() || is_word(value),
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
         start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
         validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    )
}

/// A container port's name (an IANA service name).
pub fn port_name(name: &str) -> Checked {
    bounded(name, MAX_PORT_NAME)?;
    let b = name.as_bytes();
    let known = b.iter().all(|c| is_lower_alnum(*c) || *c == b'-');
    check(known, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")?;
    check(b.iter().any(u8::is_ascii_lowercase), "must contain at least one letter (a-z)")?;
    check(!name.contains("--"), "must not contain consecutive hyphens")?;
    check(!name.starts_with('-') && !name.ends_with('-'), "must not begin or end with a hyphen")
}

/// A key of a ConfigMap or Secret: it becomes a file's name.
pub fn data_key(key: &str) -> Checked {
    bounded(key, MAX_SUBDOMAIN)?;
    check(
        !key.is_empty() && key.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c)),
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or \
         'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    )?;
    check(key != ".", "must not be '.'")?;
    check(key != "..", "must not be '..'")?;
    check(!key.starts_with(".."), "must not start with '..'")
}

/// The name of an environment variable (KEP-4369: any printable ASCII but `=`).
pub fn env_name(name: &str) -> Checked {
    check(
        !name.is_empty() && name.bytes().all(|c| (b' '..=b'~').contains(&c) && c != b'='),
        "a valid environment variable name must consist only of printable ASCII characters other than '='",
    )
}

/// An IPv4 or IPv6 address.
pub fn ip(address: &str) -> Checked {
    let parsed = address.parse::<std::net::IpAddr>();
    check(parsed.is_ok(), "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
}

/// A network in CIDR notation.
pub fn cidr(network: &str) -> Checked {
    let parsed = network.contains('/') && network.parse::<ipnetwork::IpNetwork>().is_ok();
    check(parsed, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
}

/// A path under a domain, as controllers and finalizers are called: `example.com/name`.
pub fn domain_path(name: &str) -> Checked {
    let Some((domain, path)) = name.split_once('/').filter(|(domain, path)| !domain.is_empty() && !path.is_empty())
    else {
        return Err("must be a domain-prefixed path (such as \"acme.io/foo\")".to_owned());
    };
    dns_subdomain(domain)?;
    let known = path.bytes().all(|c| c.is_ascii_alphanumeric() || b"/:@-._~%!$&'()*+,;=".contains(&c));
    check(known, "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_accept_and_refuse() {
        type Form = fn(&str) -> Checked;
        let long = "a".repeat(64);
        let cases: &[(Form, &[&str], &[&str])] = &[
            (dns_subdomain, &["a", "a.b-c.9"], &["", "A", "a..b", "-a", "a.", "a_b"]),
            (dns_subdomain_with_underscore, &["a", "_tcp.a_b.c"], &["", "a..b", "a_", "__a"]),
            (wildcard, &["*.a", "*.a.b-c"], &["", "*", "a.*", "*.*", "*.A"]),
            (dns_label, &["a", "9a-b"], &["", "a.b", "a-", "ä", &long]),
            (dns_1035_label, &["a", "a-9"], &["", "9a", "a.b"]),
            (qualified_name, &["a", "A_b.c", "x.io/A"], &["", "/a", "a/", "X/a", "a/b/c", "-a", &long]),
            (label_value, &["", "a", "A_b.c"], &["-", "a b", &long]),
            (port_name, &["http", "a1-b"], &["", "80", "a--b", "-a", "HTTP", "abcdefghijklmnop"]),
            (data_key, &["a", ".a", "A_b-c"], &["", ".", "..", "..a", "a/b"]),
            (env_name, &["A", "a.b c"], &["", "a=b", "ä"]),
            (cidr, &["10.0.0.0/8", "fd00::/64"], &["", "10.0.0.0", "10.0.0.0/33"]),
            (domain_path, &["a.io/x", "a/b/c"], &["", "a.io", "/x", "A/x", "a/ b"]),
            (ip, &["10.0.0.1", "::1"], &["", "10.0.0", "10.0.0.01"]),
        ];
        for (form, good, bad) in cases {
            for name in *good {
                assert_eq!(form(name), Ok(()), "{name}");
            }
            for name in *bad {
                assert!(form(name).is_err(), "{name}");
            }
        }
    }
}
