//! A registry that cannot be broken: every command that writes is struck at each of its steps.
//!
//! - `kill`: the process is killed (SIGKILL) before each step and in the middle of each write, and 200
//!   times from outside at random moments.
//! - `lost`: the machine stops at each step, and of what was not synced anything may be lost.
//! - `full`: the disk is full from each step on, and a real small disk ends at each of its pages.
//!
//! After each: the registry opens, `verify` finds nothing, no record names what is not there, every name
//! names what it did before or what the command gave it, and the same command, given again, succeeds.
//!
//! Needs the feature `faults` (src/disk/faults.rs). `REG_CRASH=all` strikes trainings at each step too, which
//! takes minutes; without it, at every ninth. `REG_SEED` repeats what was drawn.

mod cases;
mod disk;
mod full;
mod kill;
mod lost;
#[path = "../support/mod.rs"]
mod support;
mod workspace;
