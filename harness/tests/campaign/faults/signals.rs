//! Signals, at moments when something is waited for.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Child;
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::fault::{Fault, SIGNAL, fault};
use crate::sandbox::{Sandbox, kernel};
use crate::wait::{qemu_of, wait_for};

/// Long enough that it still runs when the signal comes.
const LONG: &str = "exec $RXPATH $RUN --repeat 500";

/// What a killed process leaves in memory, until the next one clears it.
const IN_MEMORY: &[&str] = &["/dev/shm/rxpath-"];

pub(crate) fn faults() -> Vec<Fault> {
    let locked = [
        ("lock held by another: SIGINT", Signal::INT),
        ("lock held by another: SIGTERM", Signal::TERM),
        ("lock held by another: SIGHUP", Signal::HUP),
    ];
    let run = [("run: SIGINT", Signal::INT), ("run: SIGTERM", Signal::TERM), ("run: SIGHUP", Signal::HUP)];
    let mut all: Vec<Fault> = locked
        .into_iter()
        .map(|(name, signal)| {
            fault(name, 3, "rxpath: interrupted", |at| {
                std::fs::remove_file(at.path("cache").join(kernel())).unwrap();
                let digest = kernel().trim_start_matches("kernels/").split('-').next().unwrap();
                at.write(&format!("cache/locks/kernel-{digest}"), "");
                at.shell(&format!("exec flock $RXPATH_CACHE/locks/kernel-{digest} sh -c 'exec 2>&1; $RXPATH $RUN & echo $! > ../tmp/pid; wait $!'"))
            })
            .during(move |at, _| {
                wait_for(|| std::fs::read_to_string(at.path("tmp/pid")).ok()?.trim().parse::<i32>().ok());
                std::thread::sleep(Duration::from_millis(700));
                let pid = std::fs::read_to_string(at.path("tmp/pid")).unwrap();
                std::fs::remove_file(at.path("tmp/pid")).unwrap();
                let _ = kill_process(Pid::from_raw(pid.trim().parse().unwrap()).unwrap(), signal);
            })
        })
        .collect();
    all.extend(run.into_iter().map(|(name, signal)| {
        fault(name, 3, "rxpath: interrupted", |at| at.shell(LONG))
            .during(move |_, child| {
                qemu_of(child);
                std::thread::sleep(Duration::from_millis(1_500));
                send(child, signal);
            })
            .with_guest()
    }));
    all.extend([
        fault("run: SIGINT prints what was judged", 3, "1 pass on 6.12", |at| at.shell(LONG))
            .during(|_, child| {
                qemu_of(child);
                std::thread::sleep(Duration::from_secs(5));
                send(child, Signal::INT);
            })
            .with_guest(),
        fault("run: SIGKILL", SIGNAL, "", |at| at.shell(LONG))
            .during(|_, child| {
                qemu_of(child);
                send(child, Signal::KILL);
            })
            .with_guest()
            .leaves(IN_MEMORY),
        fault("run: SIGKILL of QEMU", 1, "crashed: recv/tcp-ready on 6.12", |at| {
            at.shell("exec $RXPATH $RUN --repeat 30")
        })
        .during(|_, child| {
            let _ = qemu_of(child).map(|qemu| kill_process(qemu, Signal::KILL));
        })
        .with_guest(),
        download("download: SIGTERM", 3, "rxpath: interrupted", Signal::TERM, "$RUN"),
        download("download: SIGINT", 3, "rxpath: interrupted", Signal::INT, "$RUN"),
        download("download: SIGKILL", SIGNAL, "", Signal::KILL, "$RUN").leaves(&["cache/staging"]),
        download("download: SIGTERM of kernels fetch", SIGNAL, "", Signal::TERM, "kernels fetch 6.12")
            .leaves(&["cache/staging"]),
    ]);
    all
}

/// A signal while apt downloads from a server that never sends all of it.
fn download(name: &'static str, code: i32, says: &'static str, signal: Signal, command: &'static str) -> Fault {
    let (asked, connected) = mpsc::channel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| drip(stream, &asked)));
    let connected = std::sync::Mutex::new(connected);
    fault(name, code, says, move |at: &Sandbox| {
        std::fs::remove_file(at.path("cache").join(kernel())).unwrap();
        let mut rxpath = at.shell(&format!("exec $RXPATH {command}"));
        rxpath.env("RXPATH_MIRROR", format!("http://{address}/debian")).env_remove("http_proxy");
        rxpath.env("RXPATH_SECURITY_MIRROR", format!("http://{address}/debian-security"));
        rxpath
    })
    .during(move |_, child| {
        let _ = connected.lock().unwrap().recv_timeout(Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(300));
        send(child, signal);
    })
}

/// Answers a request with a file that never ends.
fn drip(mut stream: TcpStream, asked: &mpsc::Sender<()>) {
    let asked = asked.clone();
    std::thread::spawn(move || {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 34671208\r\n\r\n");
        let _ = asked.send(());
        while stream.write_all(&[0; 1024]).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
}

fn send(child: &Child, signal: Signal) {
    let _ = kill_process(Pid::from_child(child), signal);
}
