//! Decodes ring-buffer pages of two CPUs. The first three bytes of the input choose the formats, the page size and the
//! start of the second CPU's pages.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rxpath::trace::{CaptureText, CpuPages, Endian, Layout, build};
use std::sync::LazyLock;

macro_rules! recorded {
    ($series:literal) => {
        [
            include_str!(concat!("../../harness/tests/data/", $series, "/header_page")),
            include_str!(concat!("../../harness/tests/data/", $series, "/formats/funcgraph_entry")),
            include_str!(concat!("../../harness/tests/data/", $series, "/formats/funcgraph_exit")),
            include_str!(concat!("../../harness/tests/data/", $series, "/formats/sched_switch")),
            include_str!(concat!("../../harness/tests/data/", $series, "/formats/sched_waking")),
            include_str!(concat!("../../harness/tests/data/", $series, "/formats/softirq_entry")),
            include_str!(concat!("../../harness/tests/data/", $series, "/formats/raw_data")),
            include_str!(concat!("../../harness/tests/data/", $series, "/formats/print")),
        ]
    };
}

const KERNELS: [[&str; 8]; 3] = [recorded!("5.10"), recorded!("6.12"), recorded!("7.3")];

/// The layout of a 32-bit machine.
fn of_32_bits(text: &str) -> String {
    text.replace("commit;\toffset:8;\tsize:8", "commit;\toffset:8;\tsize:4")
        .replace("data;\toffset:16;\tsize:4080", "data;\toffset:12;\tsize:4084")
        .replace("func;\toffset:8;\tsize:8", "func;\toffset:8;\tsize:4")
        .replace("depth;\toffset:16;\tsize:", "depth;\toffset:12;\tsize:")
}

const PAGE_SIZES: [Option<usize>; 4] = [Some(64), Some(256), None, Some(1024)];

/// Every combination of formats, size of long, byte order and page size.
fn layouts() -> Vec<Layout> {
    let mut layouts = Vec::new();
    for texts in KERNELS {
        for wide in [true, false] {
            let texts = texts.map(|text| if wide { text.to_owned() } else { of_32_bits(text) });
            for endian in [Endian::Little, Endian::Big] {
                for page_size in PAGE_SIZES {
                    let formats = texts[1..].iter().map(String::as_str).collect();
                    let text = CaptureText { header_page: &texts[0], formats, page_size, endian };
                    layouts.push(Layout::new(&text).expect("a kernel's own formats"));
                }
            }
        }
    }
    layouts
}

static LAYOUTS: LazyLock<Vec<Layout>> = LazyLock::new(layouts);

fuzz_target!(|input: &[u8]| {
    let Some(([kernel, size, split], pages)) = input.split_first_chunk() else { return };
    let layout = &LAYOUTS[(usize::from(*kernel) * PAGE_SIZES.len() + usize::from(*size) % 4) % LAYOUTS.len()];
    let (first, second) = pages.split_at(pages.len() * usize::from(*split) / 256);
    let cpus = [CpuPages { cpu: 0, pages: first, stats: "" }, CpuPages { cpu: 1, pages: second, stats: "" }];
    if let Ok(forests) = build(layout, &cpus) {
        let nodes: usize = forests.by_task.values().map(|forest| forest.nodes.len()).sum();
        // The shortest record that gives one node is 12 bytes long; one that gives two nodes is longer than 24.
        assert!(nodes <= pages.len() / 12, "{nodes} nodes out of {} bytes", pages.len());
        assert!(forests.by_task.len() <= pages.len() / 12 + 1);
    }
});
