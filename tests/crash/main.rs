//! Faults never break a registry: every command that writes is interrupted at each of its steps.
//!
//! - `kill`: the process is killed (SIGKILL) before each step and in the middle of each write, and 200
//!   times from outside at random moments.
//! - `lost`: the machine stops at each step, and any unsynced change may be lost.
//! - `full`: the disk is full from each step on, and a real small disk ends at each of its pages.
//!
//! After each fault, the registry opens, `verify` finds nothing, no record refers to a missing object, every name has
//! its target from before or from after the command, and the same command succeeds when repeated.
//!
//! Needs the feature `faults` (src/disk/faults.rs). `REG_CRASH=all` interrupts trainings at each step too, which takes
//! minutes; otherwise at every ninth. `REG_SEED` repeats the random draws.

mod cases;
mod disk;
mod full;
mod kill;
mod lost;
#[path = "../support/mod.rs"]
mod support;
mod workspace;
