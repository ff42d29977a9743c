//! Measures how many records per second the decoder handles on one core, from a real capture repeated until it is
//! large.
//!
//! `cargo bench --bench decode`, or `-- FILE.dat` to use a trace.dat instead.

use rxpath::trace::{CaptureText, CpuPages, Layout, TraceDat, build};
use std::{fs, path::Path};

/// A large capture: about 200,000 records.
const LARGE: usize = 8 << 20;
const PASSES: u32 = 20;
const MEASUREMENTS: usize = 7;

fn main() {
    let file = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    match file {
        Some(file) => {
            let bytes = fs::read(&file).expect("a readable trace.dat");
            let dat = TraceDat::parse(&bytes).expect("a trace.dat");
            measure(&file, &dat.text(), &dat.cpu_pages());
        }
        None => {
            for series in ["5.10", "7.3"] {
                recorded(series);
            }
        }
    }
}

fn recorded(series: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/tests/data").join(series);
    let read = |file: &str| fs::read_to_string(folder.join(file)).expect("a file of the recorded capture");
    let header_page = read("header_page");
    let formats: Vec<String> = fs::read_dir(folder.join("formats"))
        .expect("the formats of the recorded capture")
        .map(|file| fs::read_to_string(file.expect("a format").path()).expect("a format"))
        .collect();
    let text = CaptureText {
        header_page: &header_page,
        formats: formats.iter().map(String::as_str).collect(),
        ..CaptureText::default()
    };
    let pages = fs::read(folder.join("cpu1.pages")).expect("the pages of the recorded capture");
    let large = pages.repeat(LARGE / pages.len());
    measure(series, &text, &[CpuPages { cpu: 1, pages: &large, stats: "" }]);
}

fn measure(name: &str, text: &CaptureText<'_>, cpus: &[CpuPages<'_>]) {
    let layout = Layout::new(text).expect("known formats");
    let records = count(&layout, cpus);
    let bytes: usize = cpus.iter().map(|cpu| cpu.pages.len()).sum();
    let events = median(|| {
        assert_eq!(count(&layout, cpus), records);
    });
    let trees = median(|| {
        std::hint::black_box(build(&layout, cpus).expect("a whole capture"));
    });
    let rate = |seconds: f64| records as f64 / seconds / 1e6;
    println!(
        "{name}: {records} records, {bytes} bytes; to events {:.1} million/s, to call trees {:.1} million/s ({:.1} ms)",
        rate(events),
        rate(trees),
        trees * 1e3
    );
}

fn count(layout: &Layout, cpus: &[CpuPages<'_>]) -> usize {
    let mut records = 0;
    for cpu in cpus {
        let mut events = layout.events(cpu.cpu, cpu.pages);
        while let Some(event) = events.step().expect("a whole capture") {
            std::hint::black_box(&event);
            records += 1;
        }
    }
    records
}

/// The processor seconds that a pass takes: the median of several measurements, each long enough for the clock's
/// resolution.
fn median(mut pass: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..MEASUREMENTS)
        .map(|_| {
            let start = processor_seconds();
            for _ in 0..PASSES {
                pass();
            }
            (processor_seconds() - start) / f64::from(PASSES)
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[MEASUREMENTS / 2]
}

/// The time that this thread has run, so that other load does not count (Documentation/scheduler/sched-stats.rst).
fn processor_seconds() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("a kernel with schedstat");
    let nanoseconds: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number");
    nanoseconds / 1e9
}
