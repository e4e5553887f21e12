//! Plans held to what is known of the networks.

use super::*;
use crate::network::{names, preset};

fn plan(name: &str) -> Plan {
    Plan::of(&preset(name).unwrap().model.architecture, 15).unwrap()
}

#[test]
fn every_value_is_kept_as_long_as_it_is_needed_and_no_longer() {
    for name in names() {
        let plan = plan(&name);
        let mut there = vec![true];
        for step in &plan.steps {
            assert!(step.of.iter().all(|value| there[*value]), "{name}");
            if let (Op::Conv { .. }, Some(added)) = (step.op, step.of.get(1)) {
                assert!(step.last.contains(added), "{name}: its memory is used again");
            }
            step.last.iter().for_each(|value| there[*value] = false);
            there.push(true);
        }
        assert_eq!(there.iter().filter(|there| **there).count(), 1, "{name}");
        assert!(there.ends_with(&[true]), "{name}");
    }
}

#[test]
fn densenets_normalise_before_they_convolve_and_keep_all_maps() {
    let plan = plan("densenet121-meta");
    let tensors = plan.tensors();
    let shape = |name: &str| &tensors.iter().find(|tensor| tensor.name == name).unwrap().shape;
    assert_eq!(shape("features.conv0.weight"), &[64, 3, 7, 7]);
    assert_eq!(shape("features.denseblock1.denselayer2.norm1.running_var"), &[96]);
    assert_eq!(shape("features.denseblock1.denselayer2.conv1.weight"), &[128, 96, 1, 1]);
    assert_eq!(shape("features.denseblock1.denselayer2.conv2.weight"), &[32, 128, 3, 3]);
    assert_eq!(shape("features.transition1.conv.weight"), &[128, 256, 1, 1]);
    assert_eq!(shape("features.norm5.bias"), &[1024]);
    assert_eq!(shape("classifier.weight"), &[15, 1027]);
    assert_eq!((plan.map(), plan.smallest), (Extent { channels: 1024, side: 7 }, 32));
    assert_eq!(plan.first_conv(), Some("features.conv0"));
}

#[test]
fn weights_begin_as_those_of_torchvision_s_network_of_the_same_layers() {
    let (resnet, densenet) = (plan("resnet50").initial, plan("densenet169-large").initial);
    assert_eq!((resnet, densenet), (Initial::FanOut, Initial::FanIn));
    let close = |found: f64, variance: f64| (found * found / variance - 1.0).abs() < 1e-12;
    // `kaiming_normal_(mode="fan_out", nonlinearity="relu")`, and `kaiming_normal_` as it is.
    assert!(close(resnet.deviation([64, 128], 3), 2.0 / (128.0 * 9.0)));
    assert!(close(densenet.deviation([64, 128], 3), 2.0 / (64.0 * 9.0)));
    assert!(close(resnet.bound_of_bias(100), 0.01) && densenet.bound_of_bias(100) == 0.0);
    assert_eq!((resnet.bound(100), densenet.bound(100)), (0.1, 0.1));
}
