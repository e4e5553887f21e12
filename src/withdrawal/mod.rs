//! Withdrawn data: the images that a withdrawal covers, the results that are flagged, and the refusal of new
//! computations.
//!
//! A withdrawal is a record like any other. It covers images by patient or name, and so also images that are added
//! later.

mod error;
mod refuse;
mod withdraw;
mod withdrawn;

pub use error::UseError;
pub use refuse::{UsePolicy, refuse, refuse_file, refuse_rows};
pub use withdraw::{Mark, Marks, WithdrawError, WithdrawRequest, Withdrew, in_force, revoke, withdraw};
pub use withdrawn::{Withdrawn, withdrawals};
