//! The adaptive lambda gives the bits of the core, which tests/adaptive.rs compares with its definition.

use imle::{Adaptive, AdaptiveRule, Diagnostics};
use imle_ffi::*;

/// The bits of every field.
fn bits(adaptive: Adaptive) -> [u32; 8] {
    let Adaptive { rule, a, g, previous, step, momentum, decay, target } = adaptive;
    let rule = match rule {
        AdaptiveRule::Additive => IMLE_ADAPTIVE_ADDITIVE,
        AdaptiveRule::Multiplicative => IMLE_ADAPTIVE_MULTIPLICATIVE,
        _ => unreachable!("no case has another one"),
    };
    let [a, g, previous, step, momentum, decay, target] =
        [a, g, previous, step, momentum, decay, target].map(f32::to_bits);
    [rule, a, g, previous, step, momentum, decay, target]
}

fn bits_of_c(c: imle_adaptive) -> [u32; 8] {
    assert_eq!(c.struct_size as usize, size_of::<imle_adaptive>());
    let floats = [c.a, c.g, c.previous, c.step, c.momentum, c.decay, c.target].map(f32::to_bits);
    let [a, g, previous, step, momentum, decay, target] = floats;
    [c.rule, a, g, previous, step, momentum, decay, target]
}

fn default() -> imle_adaptive {
    let nothing = imle_adaptive {
        struct_size: 0,
        rule: 9,
        a: -1.0,
        g: -1.0,
        previous: -1.0,
        step: -1.0,
        momentum: -1.0,
        decay: -1.0,
        target: -1.0,
    };
    let mut c = nothing;
    unsafe { imle_adaptive_default(&mut c) };
    c
}

#[test]
fn the_default_is_that_of_the_core() {
    assert_eq!(bits_of_c(default()), bits(Adaptive::default()));
}

/// A hundred updates by each rule, with counts on both sides of the target.
#[test]
fn the_bits_are_those_of_the_core() {
    let additive = Adaptive { momentum: 0.75, step: 0.01, ..Adaptive::new(AdaptiveRule::Additive) };
    for mut core in [Adaptive::default(), additive] {
        let mut c = default();
        if core.rule == AdaptiveRule::Additive {
            (c.rule, c.momentum, c.step) = (IMLE_ADAPTIVE_ADDITIVE, 0.75, 0.01);
        }
        let start = core.a;
        for i in 0..100_u16 {
            let theta = [0.3, f32::NEG_INFINITY, f32::from(i) - 50.0];
            let dz = [0.7, -0.1 * f32::from(i), 1e-3, 2.0];
            let mut lambda = f32::NAN;
            let status = unsafe { imle_adaptive_lambda(&c, theta.as_ptr(), 3, dz.as_ptr(), 4, &mut lambda) };
            assert_eq!((status, Ok(lambda.to_bits())), (IMLE_OK, core.lambda(&theta, &dz).map(f32::to_bits)));

            let (states, nonzeros) = (40, u64::from(i * 37 % 160));
            core.update(&Diagnostics { states, unchanged: 0, nonzeros }).expect("good counts");
            let counts = imle_diagnostics { states, unchanged: 0, nonzeros };
            assert_eq!(unsafe { imle_adaptive_update(&mut c, &counts) }, IMLE_OK);
            assert_eq!(bits_of_c(c), bits(core), "update {i}");
        }
        assert_ne!(core.a, start);
    }
}
