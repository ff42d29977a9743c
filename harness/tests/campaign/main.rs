//! A campaign of faults. Each row damages a copy of a repository and a cache, runs `rxpath`, and says which exit code and message
//! must come of it. Nothing may panic, hang, or be left over: no file, no folder in memory, no process.
//!
//! The test prints a table: fault, verdict, exit code, what was left over.

mod fault;
mod faults;
mod left_over;
mod sandbox;
mod wait;

use std::io::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;

use fault::{Fault, Outcome};
use sandbox::Sandbox;

/// How many faults at a time. Guests run one at a time.
const AT_A_TIME: usize = 4;

#[test]
fn every_fault_has_its_verdict_exit_code_and_message() -> Result<(), Box<dyn std::error::Error>> {
    sandbox::warm_up()?;
    let started = Instant::now();
    let only = std::env::var("RXPATH_FAULT").unwrap_or_default();
    let faults: Vec<Fault> = faults::all().into_iter().filter(|fault| fault.name.contains(&only)).collect();
    let queue = Mutex::new(faults.iter().enumerate());
    let (outcomes, guests) = (Mutex::new(Vec::new()), Mutex::new(()));
    let next = || queue.lock().unwrap().next();
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((at, fault)) = next() {
                    let _one_at_a_time = fault.has_guest.then(|| guests.lock().unwrap());
                    let inject = || Sandbox::new().map_or_else(|error| Outcome::failed(&error), |at| fault.inject(&at));
                    let outcome = catch_unwind(AssertUnwindSafe(inject));
                    let outcome = outcome.unwrap_or_else(|_| Outcome::failed(&Error::other("injecting it panicked")));
                    eprintln!("{:<75} {outcome}", fault.name);
                    outcomes.lock().unwrap().push((at, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner()?;
    outcomes.sort_by_key(|(at, _)| *at);
    println!("{:<75} {:<13} {:>4}  left over", "fault", "verdict", "exit");
    for (fault, (_, outcome)) in faults.iter().zip(&outcomes) {
        println!("{:<75} {outcome}", fault.name);
    }
    println!("{} faults in {:.0} s", outcomes.len(), started.elapsed().as_secs_f64());
    let wrong: Vec<String> = faults
        .iter()
        .zip(&outcomes)
        .filter_map(|(fault, (_, outcome))| Some(format!("{}: {}", fault.name, outcome.wrong.as_ref()?)))
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n\n").into()) }
}
