//! A small repository and a cache that a fault may damage.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::wait::{command_of, qemu_of};

pub(crate) const RXPATH: &str = env!("CARGO_BIN_EXE_rxpath");
pub(crate) const CASE: &str = "recv/tcp-ready";
pub(crate) const KERNEL: &str = "6.12";
/// The case on the kernel, in one guest at a time.
pub(crate) const RUN: [&str; 7] = ["run", "-c", CASE, "-k", KERNEL, "-j", "1"];

/// The folder of a fault: the repository in `repo`, the cache in `cache`, temporary files in `tmp`.
pub(crate) struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("fault-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let sandbox = Self { folder };
        let real = Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in
            ["repo/cases/recv", "repo/kernels", "repo/snapshots/recv/tcp-ready", "cache/images", "cache/kernels", "tmp"]
        {
            fs::create_dir_all(sandbox.path(name))?;
        }
        let snapshots = ["6.12.snap", "6.12.timing.snap"].map(|name| format!("snapshots/{CASE}/{name}"));
        let files = ["kernels/kernels.yaml", "kernels/kernels.lock.yaml"].map(str::to_owned);
        for name in files.into_iter().chain(snapshots) {
            fs::copy(real.join(&name), sandbox.path("repo").join(&name))?;
        }
        // Its bounds on costs name cases that are not here.
        let case = fs::read_to_string(real.join(format!("cases/{CASE}.yaml")))?;
        let case: String =
            case.lines().filter(|line| !line.contains("costs:")).map(|line| format!("{line}\n")).collect();
        fs::write(sandbox.case(), case)?;
        let cache = shared_cache();
        symlink(cache.join("qemu"), sandbox.path("cache/qemu"))?;
        for part in [kernel(), image()] {
            symlink(cache.join(part), sandbox.path("cache").join(part))?;
        }
        fs::copy(cache.join("CACHEDIR.TAG"), sandbox.path("cache/CACHEDIR.TAG"))?;
        Ok(sandbox)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn case(&self) -> PathBuf {
        self.path(&format!("repo/cases/{CASE}.yaml"))
    }

    pub(crate) fn snapshot(&self) -> PathBuf {
        self.path(&format!("repo/snapshots/{CASE}/{KERNEL}.snap"))
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Changes the text of the case.
    pub(crate) fn edit_case(&self, out: &str, instead: &str) {
        let text = fs::read_to_string(self.case()).unwrap();
        assert!(text.contains(out), "the case has no `{out}` any more");
        fs::write(self.case(), text.replacen(out, instead, 1)).unwrap();
    }

    /// `rxpath` with this repository and cache.
    pub(crate) fn rxpath(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(RXPATH);
        command.args(arguments);
        command
    }

    /// A shell script, in which `$RXPATH` is the program.
    pub(crate) fn shell(&self, script: &str) -> Command {
        let mut command = self.program("bash");
        command.args(["-c", script]);
        command
    }

    /// A shell script with mounts of its own.
    pub(crate) fn shell_with_mounts(&self, script: &str) -> Command {
        let mut command = self.program("unshare");
        command.args(["--user", "--map-root-user", "--mount", "bash", "-ec", script]);
        command
    }

    fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for name in ["RXPATH_ROOT", "RXPATH_MIRROR", "RXPATH_SECURITY_MIRROR", "CI"] {
            command.env_remove(name);
        }
        command.current_dir(self.path("repo")).env("RXPATH_CACHE", self.path("cache")).env("TMPDIR", self.path("tmp"));
        command.env("RXPATH", RXPATH).env("RUN", RUN.join(" "));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Gives the cache its own copy of this part, instead of a link to the shared one.
    pub(crate) fn copy(&self, part: &str) -> PathBuf {
        let copy = self.path("cache").join(part);
        let mut copying = Command::new("cp");
        copying.args(["-r", "--sparse=always"]).arg(shared_cache().join(part)).arg(self.path("copy"));
        assert!(copying.status().unwrap().success());
        fs::remove_file(&copy).unwrap();
        fs::rename(self.path("copy"), &copy).unwrap();
        copy
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }
}

pub(crate) fn shared_cache() -> PathBuf {
    let home = || std::env::home_dir().unwrap().join(".cache");
    let xdg = || std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("rxpath");
    std::env::var_os("RXPATH_CACHE").map_or_else(xdg, PathBuf::from)
}

static USED: OnceLock<(String, String)> = OnceLock::new();

/// The folder of the kernel in a cache.
pub(crate) fn kernel() -> &'static str {
    &USED.get().unwrap().0
}

/// The folder of the image in a cache that [`RUN`] uses.
pub(crate) fn image() -> &'static str {
    &USED.get().unwrap().1
}

/// Makes sure that the shared cache has the kernel, QEMU, and the image that faults are injected into, and finds them.
pub(crate) fn warm_up() -> Result<(), String> {
    let mut run = Command::new(RXPATH);
    run.args(RUN).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = run.output().unwrap();
    if output.status.code() != Some(0) {
        return Err([output.stdout, output.stderr].concat().escape_ascii().to_string());
    }
    let mut again = run.args(["--repeat", "5"]).stdout(Stdio::null()).spawn().unwrap();
    // Its command line is there only while it runs.
    let command = qemu_of(&again).map(command_of);
    let _ = again.wait();
    let command = command.ok_or("no QEMU came up")?;
    let key = command.split_once("/images/").and_then(|(_, rest)| rest.split_once('/')).ok_or(command.clone())?.0;
    let listed =
        Command::new(RXPATH).args(["kernels", "list", "--json"]).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let listed: serde_json::Value = serde_json::from_slice(&listed.unwrap().stdout).unwrap();
    let pinned = listed["kernels"].as_array().into_iter().flatten().find(|kernel| kernel["series"] == KERNEL);
    let digest = pinned.and_then(|kernel| kernel["digest"].as_str()).ok_or("6.12 is not listed")?.to_owned();
    let mut names = fs::read_dir(shared_cache().join("kernels")).unwrap().flatten().map(|entry| entry.file_name());
    let name = names.find_map(|name| name.into_string().ok().filter(|name| name.starts_with(&digest)));
    let name = name.ok_or("6.12 is not in the cache")?;
    let _ = USED.set((format!("kernels/{name}"), format!("images/{key}")));
    Ok(())
}
