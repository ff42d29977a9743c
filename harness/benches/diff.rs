//! Measures how long it takes to align two paths of 5,000 and 50,000 nodes that differ in 1 % of them.
//!
//! `cargo bench --bench diff` prints the medians. It fails if 50,000 nodes take more than 50 ms, or if ten times the
//! nodes take more than twelve times as long. `--no-limits` only prints.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use rxpath::diff::{Knowledge, Renames, align};
use rxpath::path::{CallPath, PathEntry, PathNode};

const RUNS: usize = 15;
const LONGEST: Duration = Duration::from_millis(50);
const MOST_GROWTH: f64 = 12.0;

fn main() -> ExitCode {
    let mut within = true;
    for (shape, make) in [("call trees", tree as fn(usize) -> CallPath), ("one long list", list)] {
        let times = [5_000, 50_000].map(|nodes| measure(&make(nodes)));
        let growth = times[1].as_secs_f64() / times[0].as_secs_f64();
        println!("{shape}: 5,000 nodes {:?}, 50,000 nodes {:?}, growth ×{growth:.1}", times[0], times[1]);
        within &= times[1] <= LONGEST && growth <= MOST_GROWTH;
    }
    let limits = !std::env::args().any(|argument| argument == "--no-limits");
    if limits && !within {
        eprintln!("exceeded the limits: {LONGEST:?} for 50,000 nodes, ×{MOST_GROWTH} from 5,000 to 50,000");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The median time to align the path with a changed copy of itself.
fn measure(old: &CallPath) -> Duration {
    let new = changed(old);
    let knowledge = Knowledge { renames: Renames::embedded(), plausible: &|_, _| true };
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            let diff = align(old, &new, &knowledge);
            let took = start.elapsed();
            assert!(!diff.is_same() && diff.lines.len() >= old.nodes.len());
            took
        })
        .collect();
    times.sort_unstable();
    times[RUNS / 2]
}

/// A generator of reproducible numbers (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// Trees as deep and as wide as a receive path, with 600 functions.
fn tree(nodes: usize) -> CallPath {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut path = CallPath::default();
    let mut depth = 0u32;
    for _ in 0..nodes {
        path.nodes.push(PathNode::once(depth, PathEntry::Call(format!("function_{}", numbers.below(600)).into())));
        // As in a receive path: deeper half of the time, and sometimes back up by several levels.
        depth = match numbers.below(10) {
            0..5 => (depth + 1).min(40),
            5..8 => depth,
            _ => depth.saturating_sub(1 + numbers.below(8) as u32),
        };
    }
    path
}

/// The worst case for aligning siblings: all nodes are children of one.
fn list(nodes: usize) -> CallPath {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut path = CallPath { nodes: vec![PathNode::once(0, PathEntry::Call("root".into()))] };
    path.nodes.extend(
        (1..nodes).map(|_| PathNode::once(1, PathEntry::Call(format!("function_{}", numbers.below(600)).into()))),
    );
    path
}

/// Changes 1 % of the nodes: renames, added levels, removed subtrees, new nodes, counts.
fn changed(path: &CallPath) -> CallPath {
    let ends = path.subtree_ends();
    let mut out = CallPath::default();
    let mut numbers = Numbers(0x1234_5678_9abc_def1);
    let mut deeper: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < path.nodes.len() {
        deeper.retain(|end| *end > at);
        let mut node = path.nodes[at].clone();
        node.depth += deeper.len() as u32;
        if at > 0 && numbers.below(100) == 0 {
            match numbers.below(5) {
                0 => node.entry = PathEntry::Call(format!("renamed_{}", numbers.below(50)).into()),
                1 => {
                    out.nodes.push(PathNode::once(node.depth, PathEntry::Call("level".into())));
                    node.depth += 1;
                    deeper.push(ends[at]);
                }
                2 if ends[at] - at < 20 => {
                    at = ends[at];
                    continue;
                }
                3 => out.nodes.push(PathNode::once(node.depth, PathEntry::Call("added".into()))),
                _ => node.times += 1,
            }
        }
        out.nodes.push(node);
        at += 1;
    }
    out
}
