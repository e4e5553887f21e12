//! Functions of libtorch that tch does not have, called through `cpp/calls.cpp`, and batch normalisation of our own in
//! `cpp/norm.cpp`.

use std::ffi::{CStr, c_char};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use tch::{Device, Tensor};
use torch_sys::C_tensor;

use crate::error::TensorError;

type Result<T> = std::result::Result<T, TensorError>;

#[allow(unsafe_code)]
mod foreign {
    use super::*;

    unsafe extern "C" {
        pub(super) fn reg_adam(
            four: *const *const C_tensor,
            count: usize,
            step: *const C_tensor,
            lr: f64,
            beta1: f64,
            beta2: f64,
            eps: f64,
        ) -> *const c_char;
        pub(super) fn reg_cuda_rules(tf32: bool) -> *const c_char;
        pub(super) fn reg_cuda_reproducible() -> bool;
        pub(super) fn reg_autocast(cuda: bool, on: bool) -> *const c_char;
        pub(super) fn reg_convolution(
            x: *const C_tensor,
            weight: *const C_tensor,
            bias: *const C_tensor,
            stride: i64,
            padding: i64,
            add: *const C_tensor,
            relu: bool,
            out: *mut *mut C_tensor,
        ) -> *const c_char;
        pub(super) fn reg_release_memory();
        pub(super) fn reg_standard_error(file: i32) -> bool;
        pub(super) fn reg_norm(
            x: *const C_tensor,
            parameters: *const *const C_tensor,
            shortcut: *const C_tensor,
            relu: bool,
            momentum: f64,
            epsilon: f64,
            out: *mut *mut C_tensor,
        ) -> *const c_char;
    }

    /// Turns the message of a failed call into an error.
    pub(super) fn check(words: *const c_char) -> Result<()> {
        if words.is_null() {
            return Ok(());
        }
        // SAFETY: a call returns null or a string that lives until the next call of this thread.
        let words = unsafe { CStr::from_ptr(words) };
        Err(TensorError::Torch(tch::TchError::Torch(words.to_string_lossy().into_owned())))
    }
}

/// Settings of Adam that do not change from step to step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decay {
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
    pub(crate) eps: f64,
}

/// Takes one step of Adam in place with libtorch's fused kernel, which reads the memory of each parameter once.
/// The four lists have the same length, and the tensors at the same position have the same layout.
#[allow(unsafe_code)]
pub(crate) fn adam(lists: [&[Tensor]; 4], step: &Tensor, lr: f64, decay: Decay) -> Result<()> {
    let count = lists[0].len();
    assert!(lists.iter().all(|list| list.len() == count), "a gradient and two moments a parameter");
    let pointers: Vec<*const C_tensor> = lists.into_iter().flatten().map(Tensor::as_ptr).collect();
    let Decay { beta1, beta2, eps } = decay;
    // SAFETY: the pointers are those of tensors that live through the call, four times `count` of them.
    foreign::check(unsafe {
        foreign::reg_adam(pointers.as_ptr(), count, step.as_ptr(), lr, beta1, beta2, eps)
    })
}

/// Restricts CUDA to computations that give the same bits in every run, or fail if there is no such algorithm,
/// and sets whether float32 may be computed in TensorFloat-32.
#[allow(unsafe_code)]
pub(crate) fn cuda_rules(tf32: bool) -> Result<()> {
    // SAFETY: it takes a plain value and sets fields of libtorch's global context.
    foreign::check(unsafe { foreign::reg_cuda_rules(tf32) })
}

/// Whether these rules are in force.
#[allow(unsafe_code)]
pub(crate) fn cuda_reproducible() -> bool {
    // SAFETY: it reads fields of libtorch's global context.
    unsafe { foreign::reg_cuda_reproducible() }
}

/// Returns freed memory, which malloc keeps between steps, to the system.
#[allow(unsafe_code)]
pub(crate) fn release_memory() {
    // SAFETY: it takes nothing and changes only what is free.
    unsafe { foreign::reg_release_memory() }
}

/// Has standard error go to a file from now on, whoever writes to it.
#[allow(unsafe_code)]
pub(crate) fn standard_error(file: &File) -> io::Result<()> {
    // SAFETY: the file is open through the call.
    match unsafe { foreign::reg_standard_error(file.as_raw_fd()) } {
        true => Ok(()),
        false => Err(io::Error::last_os_error()),
    }
}

/// While it exists, computations that tolerate bfloat16 use it.
pub(crate) struct Autocast {
    cuda: bool,
}

impl Autocast {
    #[allow(unsafe_code)]
    pub(crate) fn on(device: Device) -> Result<Self> {
        let cuda = device != Device::Cpu;
        // SAFETY: it takes plain values and sets fields of this thread.
        foreign::check(unsafe { foreign::reg_autocast(cuda, true) })?;
        Ok(Autocast { cuda })
    }
}

impl Drop for Autocast {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: as above; an error here would have occurred there too.
        let _ = foreign::check(unsafe { foreign::reg_autocast(self.cuda, false) });
    }
}

/// A convolution on the CPU with all following operations in one pass over the memory: the bias, `add` (whose
/// memory is reused for the result), and the clamp of negative values.
#[allow(unsafe_code)]
pub(crate) fn convolution(
    x: &Tensor,
    [weight, bias]: [&Tensor; 2],
    stride: i64,
    padding: i64,
    add: Option<Tensor>,
    relu: bool,
) -> Result<Tensor> {
    let mut out: *mut C_tensor = std::ptr::null_mut();
    let added = add.as_ref().map_or(std::ptr::null(), Tensor::as_ptr);
    // SAFETY: the tensors live through the call; without an error `out` is a new tensor of ours.
    unsafe {
        let (weight, bias) = (weight.as_ptr(), bias.as_ptr());
        let said = foreign::reg_convolution(x.as_ptr(), weight, bias, stride, padding, added, relu, &mut out);
        foreign::check(said)?;
        Ok(Tensor::from_ptr(out))
    }
}

/// Batch normalisation in training, which also updates the running statistics; then `shortcut` is added, and negative
/// values become 0 if `relu` is set and whenever there is a shortcut. All in as few passes over the memory as possible,
/// forward and backward, with the same bits for any number of threads.
///
/// `tensors` are weight, bias, running mean and running variance: `[channels]` each. Returns the output, and with a
/// shortcut the output once more: if the next layer reads one and the next shortcut the other, their gradients are
/// added in passing. `None` unless all is float32 on the CPU, `x` and `shortcut` in channels last, of the same shape,
/// with more than one value per channel, and without autocast.
#[allow(unsafe_code)]
pub(crate) fn norm(
    x: &Tensor,
    tensors: [&Tensor; 4],
    shortcut: Option<&Tensor>,
    relu: bool,
    [momentum, epsilon]: [f64; 2],
) -> Result<Option<(Tensor, Option<Tensor>)>> {
    let mut out: [*mut C_tensor; 2] = [std::ptr::null_mut(); 2];
    let added = shortcut.map_or(std::ptr::null(), Tensor::as_ptr);
    let pointers = tensors.map(Tensor::as_ptr);
    // SAFETY: the tensors live through the call; what is not null in `out` without an error is a new tensor of ours.
    unsafe {
        let pointers = pointers.as_ptr().cast();
        let out_pointer = out.as_mut_ptr();
        foreign::check(foreign::reg_norm(x.as_ptr(), pointers, added, relu, momentum, epsilon, out_pointer))?;
        let [y, twin] = out.map(|pointer| (!pointer.is_null()).then(|| Tensor::from_ptr(pointer)));
        Ok(y.map(|y| (y, twin)))
    }
}
