//! What a network takes: parameters, multiplications, activations.

use super::{Module, Op, Plan};

/// Counts of a network without its last layer, for one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Parameters, without running statistics.
    pub parameters: u64,
    /// Multiplications of a forward pass in convolutions and dense layers.
    pub multiplications: u64,
    /// Numbers that the backward pass needs. Of a convolution followed by BatchNorm these are its output, which
    /// BatchNorm needs, and the output of BatchNorm, which the next layer needs.
    pub kept: u64,
    /// Numbers of the largest value.
    pub largest: u64,
}

impl Plan {
    /// Counts of the network without its last layer.
    pub fn counts(&self) -> Counts {
        let of = |module: &Module| module.parameters().expect("a plan has counted its parameters");
        let parameters = self.modules.iter().map(of).sum();
        let mut counts = Counts { parameters, multiplications: 0, kept: 0, largest: 0 };
        for (step, shape) in self.steps.iter().zip(&self.shapes[1..]) {
            let numbers = shape.numbers();
            counts.largest = counts.largest.max(numbers);
            let (outputs, products) = match step.op {
                Op::Conv { module, .. } => match &self.modules[module] {
                    Module::Conv { norm, inputs, kernel, .. } => {
                        (if norm.is_some() { 2 } else { 1 }, kernel * kernel * inputs * numbers)
                    }
                    _ => unreachable!("the module of a convolution"),
                },
                Op::Dense { .. } => (2, self.shapes[step.of[0]].channels * numbers),
                Op::Norm { .. } | Op::Concat => (1, 0),
                // A quarter of what they are computed from, which is counted.
                Op::MaxPool { .. } | Op::AvgPool => (0, 0),
            };
            counts.kept += outputs * numbers;
            counts.multiplications += products;
        }
        counts
    }

    /// Number of parameters with the last layer, without running statistics.
    pub fn parameters(&self) -> u64 {
        self.counts().parameters + self.head.parameters().expect("a plan has counted its parameters")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::preset;

    fn plan(name: &str) -> Plan {
        Plan::of(&preset(name).unwrap().model.architecture, 1000).unwrap()
    }

    #[test]
    fn networks_have_the_parameters_and_multiplications_that_are_stated_of_them() {
        // torchvision 0.26 with 1000 classes; multiplications of fvcore, with those of the last layer.
        for (name, parameters, multiplications) in [
            ("resnet18", 11_689_512, 1_814_073_344),
            ("resnet34", 21_797_672, 3_663_761_408),
            ("resnet50", 25_557_032, 4_089_184_256),
            ("resnet101", 44_549_160, 7_801_405_440),
            ("densenet121", 7_978_856, 2_834_161_664),
            ("densenet169", 14_149_480, 3_359_843_328),
            ("densenet201", 20_013_928, 4_291_365_888),
        ] {
            let plan = plan(name);
            let head = 1000 * plan.features();
            assert_eq!(plan.parameters(), parameters, "{name}");
            assert_eq!(plan.counts().multiplications + head, multiplications, "{name}");
        }
    }

    #[test]
    fn activations_are_those_of_the_network() {
        let counts = plan("resnet50").counts();
        // The 11.1 million activations reported for ResNet-50, before and after BatchNorm.
        assert_eq!((counts.largest, counts.kept), (64 * 112 * 112, 2 * 11_113_984));
        // A perceptron has them before and after ReLU.
        let counts = Plan::of(&preset("mlp").unwrap().model.architecture, 15).unwrap().counts();
        assert_eq!((counts.kept, counts.parameters), (2 * 128, 4 * 64 + 65 * 64));
        assert_eq!(counts.multiplications, 3 * 64 + 64 * 64);
    }
}
