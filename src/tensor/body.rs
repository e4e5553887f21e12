//! The layers of a network before the last one, computed as its plan says. The plan has the order of the
//! operations and the shapes; here are the tensors.

use reg::network::{Module, Op, Plan};
use tch::Tensor;

use crate::error::TensorError;
use crate::layers::{Activation, BatchNorm, Builder, Conv, Dense, Memory, Then};

type Result<T> = std::result::Result<T, TensorError>;

/// The modules of a plan, in its order.
pub(crate) struct Body(Vec<Built>);

/// A module with its tensors.
enum Built {
    Conv(Conv),
    Norm(BatchNorm),
    /// BatchNorm with running statistics: a factor and a term, `[1, channels, 1, 1]` each.
    Affine([Tensor; 2]),
    Dense(Dense),
}

impl Body {
    pub(crate) fn build(to: &mut Builder, plan: &Plan) -> Result<Self> {
        let built = |module: &Module| {
            Ok(match module {
                Module::Conv { name, norm, inputs, outputs, kernel, stride } => {
                    let [inputs, outputs, kernel, stride] =
                        [*inputs, *outputs, *kernel, *stride].map(|number| number as i64);
                    let names = (name.as_str(), norm.as_deref());
                    Built::Conv(to.conv(names, [inputs, outputs], [kernel, stride])?)
                }
                Module::Norm { name, channels } => Built::Norm(to.batch_norm(name, *channels as i64)?),
                Module::Dense { name, inputs, outputs } => {
                    Built::Dense(to.dense(name, *inputs as i64, *outputs as i64)?)
                }
            })
        };
        Ok(Body(plan.modules.iter().map(built).collect::<Result<_>>()?))
    }

    /// The last value of the plan for an input.
    pub(crate) fn forward(&self, plan: &Plan, input: Tensor, training: bool) -> Result<Tensor> {
        let mut values = vec![Some(Activation::from(input))];
        for step in &plan.steps {
            let mut of =
                |place: usize| values[step.of[place]].as_mut().expect("a plan keeps what it needs").read();
            let value = match step.op {
                Op::Conv { module, relu } => {
                    let then = match step.of.get(1) {
                        // Nothing needs it afterwards, so that its memory may be used again.
                        Some(_) => Then::AddRelu(of(1)),
                        None if relu => Then::Relu,
                        None => Then::Nothing,
                    };
                    match &self.0[module] {
                        Built::Conv(conv) => conv.forward(&of(0), training, then)?,
                        _ => return Err(mismatch()),
                    }
                }
                Op::Norm { module } => match &self.0[module] {
                    Built::Norm(norm) => norm.forward(&of(0), training, Then::Relu)?,
                    Built::Affine([factor, term]) => of(0).f_mul(factor)?.f_add_(term)?.f_relu_()?.into(),
                    _ => return Err(mismatch()),
                },
                Op::Dense { module } => match &self.0[module] {
                    Built::Dense(dense) => dense.forward(&of(0))?.f_relu()?.into(),
                    _ => return Err(mismatch()),
                },
                Op::MaxPool { kernel, stride, padding } => {
                    let [kernel, stride, padding] =
                        [kernel, stride, padding].map(|number| [number as i64; 2]);
                    of(0).f_max_pool2d(kernel, stride, padding, [1, 1], false)?.into()
                }
                Op::AvgPool => of(0).f_avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None)?.into(),
                Op::Concat => {
                    let all: Vec<Tensor> = (0..step.of.len()).map(of).collect();
                    Tensor::f_cat(&all, 1)?.into()
                }
            };
            step.last.iter().for_each(|place| values[*place] = None);
            values.push(Some(value));
        }
        Ok(values.pop().flatten().ok_or_else(mismatch)?.read())
    }

    /// The same layers with the running statistics folded into the weights, for evaluation.
    pub(crate) fn folded(&self, memory: Memory) -> Result<Self> {
        let folded = |built: &Built| {
            Ok(match built {
                Built::Conv(conv) => Built::Conv(conv.folded(memory)?),
                Built::Norm(norm) => {
                    let [factor, term] = norm.folded()?;
                    Built::Affine([factor.f_reshape([1, -1, 1, 1])?, term.f_reshape([1, -1, 1, 1])?])
                }
                Built::Affine(pair) => Built::Affine([0, 1].map(|place| pair[place].shallow_clone())),
                Built::Dense(dense) => Built::Dense(dense.shared()),
            })
        };
        Ok(Body(self.0.iter().map(folded).collect::<Result<_>>()?))
    }
}

fn mismatch() -> TensorError {
    TensorError::Settings("the network is not the one of its plan".into())
}
