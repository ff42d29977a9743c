//! Runs apt in private directories, with the host's network settings. The host's apt state stays as it is.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use super::cache_folder::CacheError;
use super::error::KernelError;
use super::lock::Archive;
use crate::child::{Scheduling, tied_to_this_process};

/// apt's helper is an internal command, so it is not in PATH.
const HELPER: &str = "/usr/lib/apt/apt-helper";

/// apt with private directories.
#[derive(Debug)]
pub(super) struct Apt {
    config: PathBuf,
}

impl Apt {
    /// Writes a configuration that makes apt keep all its state in `folder`. It takes only the network settings from the
    /// host's configuration: hooks, for example, could change the host.
    pub(super) fn private(folder: &Path) -> Result<Self, KernelError> {
        for part in ["state/lists/partial", "cache/archives/partial"] {
            let path = folder.join(part);
            fs::create_dir_all(&path).map_err(CacheError::io("create", &path))?;
        }
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).map_err(CacheError::io("write", &path))
        };
        write("status", "")?;
        let root = folder.display();
        let mut text = format!(
            "// Overwritten by rxpath each time. See apt.conf(5).\n\
             Dir::Etc::Parts \"/dev/null\";\nDir::Etc::Main \"/dev/null\";\n\
             Dir::Etc::SourceList \"{root}/sources.list\";\nDir::Etc::SourceParts \"/dev/null\";\n\
             Dir::Etc::Preferences \"/dev/null\";\nDir::Etc::PreferencesParts \"/dev/null\";\n\
             Dir::State \"{root}/state\";\nDir::State::status \"{root}/status\";\n\
             Dir::Cache \"{root}/cache\";\nDir::Cache::pkgcache \"\";\nDir::Cache::srcpkgcache \"\";\n\
             APT::Architecture \"amd64\";\nAPT::Architectures {{ \"amd64\"; }};\n\
             Acquire::Languages \"none\";\n\
             APT::Sandbox::User \"\";\n"
        );
        text.extend(network_settings(&run_on_host("apt-config", ["dump", "Acquire"])?).map(|line| line + "\n"));
        write("apt.conf", &text)?;
        Ok(Self { config: folder.join("apt.conf") })
    }

    /// The folder with the configuration and all state.
    pub(super) fn folder(&self) -> &Path {
        self.config.parent().unwrap_or(&self.config)
    }

    /// A command of apt with this configuration, not yet started. Its messages are in English.
    pub(super) fn command<A: AsRef<OsStr>>(&self, program: &str, arguments: &[A]) -> duct::Expression {
        let program = if program == "apt-helper" { HELPER } else { program };
        let arguments = arguments.iter().map(|argument| argument.as_ref().to_owned()).collect();
        let (program, arguments) = tied_to_this_process(program.into(), arguments, Scheduling::Group);
        duct::cmd(program, arguments).env("APT_CONFIG", &self.config).env("LC_ALL", "C").stdin_null()
    }

    /// Runs a command of apt and returns its standard output.
    pub(super) fn read<A: AsRef<OsStr>>(&self, program: &str, arguments: &[A]) -> Result<String, KernelError> {
        let output = self.command(program, arguments).stdout_capture().stderr_capture().unchecked().run();
        finished(program, output)
    }
}

/// Filters the network settings (proxies, certificates, time-outs, retries) from what `apt-config dump Acquire` prints.
fn network_settings(dump: &str) -> impl Iterator<Item = String> {
    const OURS: [&str; 7] =
        ["IndexTargets", "Changelogs", "Languages", "CompressionTypes", "GzipIndexes", "cdrom", "PDiffs"];
    dump.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("Acquire::")?.split_once(' ')?;
        let ours = OURS.iter().any(|ours| name == *ours || name.starts_with(&format!("{ours}::")));
        // apt.conf(5) has no escape for a quote in a value. An empty value is the default.
        let plain = value.matches('"').count() == 2 && value.ends_with("\";") && value != "\"\";";
        (!ours && plain).then(|| line.to_owned())
    })
}

/// The addresses of Debian's two archives, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mirrors {
    debian: String,
    debian_security: Option<String>,
}

impl Mirrors {
    /// Finds the mirrors: those in `RXPATH_MIRROR` and `RXPATH_SECURITY_MIRROR`, or else those that the host's apt uses.
    pub(super) fn discover() -> Result<Self, KernelError> {
        let debian = from_environment("RXPATH_MIRROR")?;
        let security = from_environment("RXPATH_SECURITY_MIRROR")?;
        if let (Some(debian), Some(_)) = (&debian, &security) {
            return Ok(Self { debian: debian.clone(), debian_security: security });
        }
        if let Some(debian) = debian {
            // A complete mirror has both archives side by side: prefer its own to the host's.
            let debian_security = security.or_else(|| neighbour(&debian));
            return Ok(Self { debian, debian_security });
        }
        let mut found = Self::among(&index_targets()?)?;
        found.debian_security = security.or(found.debian_security);
        Ok(found)
    }

    /// Picks the mirrors from the host's index targets.
    fn among(targets: &[IndexTarget]) -> Result<Self, KernelError> {
        let usable = |security: bool| {
            let mut fitting: Vec<&IndexTarget> = targets.iter().filter(|target| target.fits(security)).collect();
            fitting.sort_by_key(|target| std::cmp::Reverse(target.likelihood()));
            fitting.into_iter().find_map(|target| usable_address(&target.address))
        };
        let debian = usable(false).ok_or(KernelError::NoMirror { archive: "debian", variable: "RXPATH_MIRROR" })?;
        let debian_security = usable(true).or_else(|| neighbour(&debian));
        Ok(Self { debian, debian_security })
    }

    pub(super) fn address(&self, archive: Archive) -> Result<&str, KernelError> {
        match archive {
            Archive::Debian => Ok(&self.debian),
            Archive::DebianSecurity => self
                .debian_security
                .as_deref()
                .ok_or(KernelError::NoMirror { archive: "debian-security", variable: "RXPATH_SECURITY_MIRROR" }),
        }
    }
}

/// A package index in the host's sources.
#[derive(Debug, Clone, PartialEq, Eq)]
struct IndexTarget {
    /// The suite or code name, as in the sources list.
    release: String,
    /// The archive's own name, if its index has been downloaded.
    label: Option<String>,
    address: String,
}

impl IndexTarget {
    fn fits(&self, security: bool) -> bool {
        const NAMES: &str = "sid buster bullseye bookworm trixie forky duke \
                             oldoldstable oldstable stable testing unstable experimental";
        match &self.label {
            Some(label) => label == if security { "Debian-Security" } else { "Debian" },
            None => {
                let (name, rest) = self.release.split_at(self.release.find(['-', '/']).unwrap_or(self.release.len()));
                NAMES.split(' ').any(|known| known == name)
                    && if security {
                        ["-security", "/updates"].contains(&rest)
                    } else {
                        ["", "-updates"].contains(&rest)
                    }
            }
        }
    }

    /// How likely this is an archive of Debian. Other vendors use Debian's code names too; until the index has been
    /// downloaded, only the address tells them apart.
    fn likelihood(&self) -> (bool, bool) {
        let last = self.address.trim_end_matches('/').rsplit('/').next();
        (self.label.is_some(), matches!(last, Some("debian" | "debian-security")))
    }
}

fn index_targets() -> Result<Vec<IndexTarget>, KernelError> {
    let list = |format: &str, extra: &[&str]| -> Result<String, KernelError> {
        let mut arguments = vec!["indextargets", "--format", format, "-o", "Dir::Cache::pkgcache="];
        arguments.extend(["-o", "Dir::Cache::srcpkgcache=", "Created-By: Packages"]);
        arguments.extend(extra);
        run_on_host("apt-get", arguments)
    };
    // Only a downloaded index has the archive's own name; a fresh container has none.
    let known = list("$(RELEASE)|$(ORIGIN)|$(LABEL)|$(REPO_URI)", &[])?;
    let mut targets: Vec<IndexTarget> = known
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(4, '|');
            let (release, origin, label) = (fields.next()?, fields.next()?, fields.next()?);
            let label = if origin == "Debian" { label } else { "" };
            Some(IndexTarget { release: release.into(), label: Some(label.into()), address: fields.next()?.into() })
        })
        .collect();
    let all = list("$(RELEASE)|$(REPO_URI)", &["--no-release-info"])?;
    for line in all.lines() {
        if let Some((release, address)) = line.split_once('|') {
            let same = |known: &IndexTarget| known.release == release && known.address == address;
            if !targets.iter().any(same) {
                targets.push(IndexTarget { release: release.into(), label: None, address: address.into() });
            }
        }
    }
    Ok(targets)
}

/// Converts an address of a sources list to one that `apt-helper download-file` understands.
fn usable_address(address: &str) -> Option<String> {
    let address = match address.strip_prefix("mirror+file:") {
        // Debian's cloud images name a file of mirrors, best first (apt-transport-mirror(1)).
        Some(list) => {
            let list = fs::read_to_string(list.trim_end_matches('/')).ok()?;
            let first = list.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
            first.split_whitespace().next()?.to_owned()
        }
        None => address.to_owned(),
    };
    is_address(&address).then(|| address.trim_end_matches('/').to_owned())
}

fn is_address(text: &str) -> bool {
    let scheme = text.split_once(':').is_some_and(|(scheme, rest)| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'+';
        !scheme.is_empty() && scheme.bytes().all(plain) && rest.starts_with('/')
    });
    scheme && !text.starts_with("cdrom:") && !text.starts_with("mirror") && !text.contains(char::is_whitespace)
}

/// The address of the security archive beside a main archive, if that has its usual name.
fn neighbour(debian: &str) -> Option<String> {
    debian.ends_with("/debian").then(|| format!("{debian}-security"))
}

fn from_environment(name: &'static str) -> Result<Option<String>, KernelError> {
    match std::env::var(name) {
        Err(std::env::VarError::NotPresent) => Ok(None),
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) if is_address(&value) => Ok(Some(value.trim_end_matches('/').to_owned())),
        other => Err(KernelError::Setting {
            setting: name,
            value: other.unwrap_or_default(),
            problem: "expected the address of a Debian archive, as in sources.list".to_owned(),
            source: None,
        }),
    }
}

/// Runs a program with the host's own configuration and returns its standard output. The program must change nothing.
fn run_on_host<A: IntoIterator<Item = S>, S: Into<std::ffi::OsString>>(
    program: &str,
    arguments: A,
) -> Result<String, KernelError> {
    let command = duct::cmd(program, arguments).env("LC_ALL", "C").stdin_null();
    finished(program, command.stdout_capture().stderr_capture().unchecked().run())
}

/// The standard output of a program that succeeded, or an error with the last lines of its standard error.
fn finished(program: &str, output: std::io::Result<Output>) -> Result<String, KernelError> {
    let output = output.map_err(not_started(program))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = tail(&String::from_utf8_lossy(&output.stderr));
    Err(KernelError::ToolFailed { program: program.to_owned(), status: output.status, stderr })
}

/// For `map_err`: the error of a program that is missing or cannot be run.
pub(super) fn not_started(program: &str) -> impl Fn(std::io::Error) -> KernelError {
    move |source| match source.kind() {
        std::io::ErrorKind::NotFound => KernelError::NoTool { program: program.to_owned() },
        _ => KernelError::ToolNotStarted { program: program.to_owned(), source },
    }
}

/// The last three lines of a program's output that are not empty, joined to one.
pub(super) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

/// An address without user and password, for messages.
pub(super) fn without_password(address: &str) -> String {
    match address.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.find('/').unwrap_or(rest.len());
            let user = rest[..host].rfind('@').map_or(0, |at| at + 1);
            format!("{scheme}://{}", &rest[user..])
        }
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(release: &str, label: Option<&str>, address: &str) -> IndexTarget {
        IndexTarget { release: release.into(), label: label.map(Into::into), address: address.into() }
    }

    #[test]
    fn a_vendor_that_uses_debians_code_names_is_not_taken_for_debian() {
        let vendor = target("bookworm", None, "https://vendor.invalid/debian/12/prod/");
        let debian = target("bookworm", None, "http://mirror.invalid/debian/");
        let found = Mirrors::among(&[vendor.clone(), debian]).unwrap();
        assert_eq!(found.address(Archive::Debian).unwrap(), "http://mirror.invalid/debian");
        let labelled = target("bookworm", Some("Debian"), "http://mirror.invalid/x");
        let found = Mirrors::among(&[vendor, labelled]).unwrap();
        assert_eq!(found.address(Archive::Debian).unwrap(), "http://mirror.invalid/x");
    }

    #[test]
    fn the_security_archive_is_the_hosts_or_the_neighbour_of_the_main_one() {
        let debian = target("trixie", None, "http://mirror.invalid/debian");
        let security = target("trixie-security", None, "http://security.invalid/");
        let both = Mirrors::among(&[debian.clone(), security]).unwrap();
        assert_eq!(both.address(Archive::DebianSecurity).unwrap(), "http://security.invalid");
        let one = Mirrors::among(&[debian]).unwrap();
        assert_eq!(one.address(Archive::DebianSecurity).unwrap(), "http://mirror.invalid/debian-security");
    }

    #[test]
    fn without_a_debian_archive_the_error_names_the_variable_to_set() {
        let error = Mirrors::among(&[target("noble", None, "http://other.invalid/ubuntu")]).unwrap_err();
        assert!(error.to_string().contains("RXPATH_MIRROR"));
        let odd = target("http", None, "http://mirror.invalid/somewhere");
        assert!(Mirrors::among(&[odd]).is_err());
    }

    #[test]
    fn the_first_mirror_of_a_list_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("debian.list");
        fs::write(&path, "# best first\nhttps://one.invalid/debian\tpriority:1\nhttps://two.invalid/debian\n").unwrap();
        let address = format!("mirror+file:{}/", path.display());
        assert_eq!(usable_address(&address).as_deref(), Some("https://one.invalid/debian"));
        assert_eq!(usable_address("cdrom:/[Debian]/"), None);
    }

    #[test]
    fn only_network_settings_are_taken_from_the_host() {
        let dump = "Acquire \"\";\nAcquire::http::Proxy \"http://proxy.invalid:8080\";\nAcquire::Languages:: \"none\";\n\
                    Acquire::IndexTargets::deb::X \"y\";\nAcquire::Retries \"5\";\nAcquire::odd \"a\"b\";\n\
                    APT::Update::Post-Invoke:: \"rm -rf /\";\n";
        let taken: Vec<String> = network_settings(dump).collect();
        assert_eq!(taken, ["Acquire::http::Proxy \"http://proxy.invalid:8080\";", "Acquire::Retries \"5\";"]);
    }

    #[test]
    fn a_password_in_an_address_is_hidden() {
        assert_eq!(without_password("https://me:secret@host.invalid/debian"), "https://host.invalid/debian");
        assert_eq!(without_password("http://host.invalid/a@b"), "http://host.invalid/a@b");
    }
}
