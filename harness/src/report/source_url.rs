//! Links to the source of a function in one version of Linux.

use std::fmt::Write as _;

/// The environment variable with the template of links.
pub(crate) const VARIABLE: &str = "RXPATH_SOURCE_URL";

/// Elixir lists the definitions and uses of an identifier in every release of Linux.
const DEFAULT: &str = "https://elixir.bootlin.com/linux/v{version}/A/ident/{function}";

const VERSION: &str = "{version}";
const FUNCTION: &str = "{function}";

/// The template of links, with `{function}` and maybe `{version}` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceUrl(String);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{VARIABLE} is `{0}`: expected a URL such as {DEFAULT}, in which rxpath replaces {FUNCTION} and {VERSION} (6.12.107, 6.13-rc2)"
)]
pub(crate) struct SourceUrlError(String);

impl Default for SourceUrl {
    fn default() -> Self {
        Self(DEFAULT.to_owned())
    }
}

impl SourceUrl {
    /// The template in `RXPATH_SOURCE_URL`, or Elixir's.
    pub(crate) fn from_environment() -> Result<Self, SourceUrlError> {
        match std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
            Some(template) => Self::parse(&template.to_string_lossy()),
            None => Ok(Self::default()),
        }
    }

    fn parse(template: &str) -> Result<Self, SourceUrlError> {
        let rest = template.replace(VERSION, "").replace(FUNCTION, "");
        let is_valid = template.contains(FUNCTION) && rest.contains("://") && !rest.contains(['{', '}', ' ', '"', '<']);
        if is_valid { Ok(Self(template.to_owned())) } else { Err(SourceUrlError(template.to_owned())) }
    }

    /// The link to a function in the release of Linux from which this version of a package was built. `None` if the template
    /// needs the release and the version does not start with one.
    pub(crate) fn link(&self, version: &str, function: &str) -> Option<String> {
        let with_version = match self.0.contains(VERSION) {
            true => self.0.replace(VERSION, &release(version)?),
            false => self.0.clone(),
        };
        Some(with_version.replace(FUNCTION, &percent_encoded(function)))
    }
}

/// The release of Linux in a package's version or a kernel's release, as its tag in git names it: `6.18.15-1~bpo13+1` is 6.18.15,
/// `6.13~rc2-1~exp1` and `6.13.0-rc2-00012-gabcdef` are 6.13-rc2.
fn release(version: &str) -> Option<String> {
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    let (numbers, rest) = version.split_at(end);
    let mut parts: Vec<&str> = numbers.trim_end_matches('.').split('.').take(3).collect();
    if parts.len() < 2 || parts.iter().any(|part| part.is_empty()) {
        return None;
    }
    // Only distributions and the kernel's own `uname -r` call 6.13 also 6.13.0.
    parts.pop_if(|last| *last == "0" && numbers.matches('.').count() > 1);
    let candidate = rest.strip_prefix(['~', '-']).and_then(|rest| rest.strip_prefix("rc")).unwrap_or("");
    let candidate: String = candidate.chars().take_while(char::is_ascii_digit).collect();
    let candidate = if candidate.is_empty() { candidate } else { format!("-rc{candidate}") };
    Some(format!("{}{candidate}", parts.join(".")))
}

/// Encodes the characters that a URL reserves or forbids (RFC 3986, 2.3).
fn percent_encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |mut out, byte| {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => out.push(char::from(byte)),
            false => _ = write!(out, "%{byte:02X}"),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_the_release_of_linux_that_a_package_was_built_from() {
        for (version, tag) in [
            ("6.12.117-1", Some("6.12.117")),
            ("6.18.15-1~bpo13+1", Some("6.18.15")),
            ("7.3-1~exp1", Some("7.3")),
            ("6.13~rc2-1~exp1", Some("6.13-rc2")),
            ("6.13.0-rc2-00012-gabcdef", Some("6.13-rc2")),
            ("6.13.0+", Some("6.13")),
            ("mine", None),
            ("6", None),
            ("6..1", None),
            ("", None),
        ] {
            assert_eq!(release(version).as_deref(), tag, "{version}");
        }
        let link = SourceUrl::default().link("6.12.117-1", "tcp_recvmsg");
        assert_eq!(link.unwrap(), "https://elixir.bootlin.com/linux/v6.12.117/A/ident/tcp_recvmsg");
        assert_eq!(SourceUrl::default().link("mine", "tcp_recvmsg"), None);
    }

    #[test]
    fn a_template_of_ones_own_needs_the_function_and_knows_no_other_words() {
        let mine = SourceUrl::parse("http://localhost/source/search?defs={function}").unwrap();
        assert_eq!(mine.link("mine", "a\"b").unwrap(), "http://localhost/source/search?defs=a%22b");
        for wrong in ["http://localhost/{version}", "{function}", "http://x/{function}/{tag}", "http://x/ {function}"] {
            let error = SourceUrl::parse(wrong).unwrap_err().to_string();
            assert!(error.contains(wrong) && error.contains("{function}"), "{error}");
        }
    }
}
