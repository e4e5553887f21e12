//! Data that must not be used any more: what is withdrawn, what that covers and which results it marks, and the refusal
//! to compute with it.
//!
//! A withdrawal is a record like any other. It says what is covered by name, so that it also holds of what comes later.

mod error;
mod refuse;
mod withdraw;
mod withdrawn;

pub use error::UseError;
pub use refuse::{UsePolicy, refuse, refuse_file, refuse_rows};
pub use withdraw::{Mark, Marks, WithdrawError, WithdrawRequest, Withdrew, in_force, revoke, withdraw};
pub use withdrawn::{Withdrawn, withdrawals};
