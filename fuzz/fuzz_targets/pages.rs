//! Ring-buffer pages of two CPUs. The first three bytes of the input choose the formats, the page size and where the second
//! CPU's pages begin.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rxpath::trace::{CaptureText, CpuPages, Endian, decode};

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

/// The 6.12 layout as a 32-bit machine has it.
fn of_32_bits(text: &str) -> String {
    text.replace("commit;\toffset:8;\tsize:8", "commit;\toffset:8;\tsize:4")
        .replace("data;\toffset:16;\tsize:4080", "data;\toffset:12;\tsize:4084")
        .replace("func;\toffset:8;\tsize:8", "func;\toffset:8;\tsize:4")
        .replace("depth;\toffset:16;\tsize:4", "depth;\toffset:12;\tsize:4")
}

fuzz_target!(|input: &[u8]| {
    let Some(([kernel, size, split], pages)) = input.split_first_chunk() else { return };
    let texts = KERNELS[usize::from(*kernel) % KERNELS.len()];
    let endian = if kernel & 0x80 == 0 { Endian::Little } else { Endian::Big };
    let texts = texts.map(|text| if kernel & 0x40 == 0 { text.to_owned() } else { of_32_bits(text) });
    let text = CaptureText {
        header_page: &texts[0],
        formats: texts[1..].iter().map(String::as_str).collect(),
        page_size: [Some(64), Some(256), None, Some(1024)][usize::from(*size) % 4],
        endian,
    };
    let (first, second) = pages.split_at(pages.len() * usize::from(*split) / 256);
    let cpus = [CpuPages { cpu: 0, pages: first, stats: "" }, CpuPages { cpu: 1, pages: second, stats: "" }];
    if let Ok(forests) = decode(&text, &cpus) {
        let nodes: usize = forests.by_task.values().map(|forest| forest.nodes.len()).sum();
        // The shortest record that makes a node is 12 bytes long; the one that makes two is longer than 24.
        assert!(nodes <= pages.len() / 12, "{nodes} nodes out of {} bytes", pages.len());
        assert!(forests.by_task.len() <= pages.len() / 12 + 1);
    }
});
