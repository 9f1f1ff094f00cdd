//! The adaptive lambda gives the bits of the core, which tests/adaptive.rs compares with its definition.

use imle::{Adaptive, AdaptiveParts, AdaptiveRule, Diagnostics};
use imle_ffi::*;

/// The bits of every field.
fn bits(adaptive: Adaptive) -> [u32; 9] {
    let Adaptive { rule, a, g, previous, step, momentum, decay, target, theta_floor } = adaptive;
    let rule = match rule {
        AdaptiveRule::Additive => IMLE_ADAPTIVE_ADDITIVE,
        AdaptiveRule::Multiplicative => IMLE_ADAPTIVE_MULTIPLICATIVE,
        _ => unreachable!("no case has another one"),
    };
    let floats = [a, g, previous, step, momentum, decay, target, theta_floor].map(f32::to_bits);
    let [a, g, previous, step, momentum, decay, target, theta_floor] = floats;
    [rule, a, g, previous, step, momentum, decay, target, theta_floor]
}

fn bits_of_c(c: imle_adaptive) -> [u32; 9] {
    assert_eq!(c.struct_size as usize, size_of::<imle_adaptive>());
    let floats = [c.a, c.g, c.previous, c.step, c.momentum, c.decay, c.target, c.theta_floor].map(f32::to_bits);
    let [a, g, previous, step, momentum, decay, target, theta_floor] = floats;
    [c.rule, a, g, previous, step, momentum, decay, target, theta_floor]
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
        theta_floor: -1.0,
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
            (c.rule, c.momentum, c.step, c.theta_floor) = (IMLE_ADAPTIVE_ADDITIVE, 0.75, 0.01, 0.0);
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

/// Blocks that are added one by one, with θ and dz in one call or in two, and an empty one.
#[test]
fn parts_have_the_bits_of_the_core() {
    let bits = |theta_squared: f64, dz_squared: f64, len: u64, nonzero: u64| {
        [theta_squared.to_bits(), dz_squared.to_bits(), len, nonzero]
    };
    let (mut core, empty) = (AdaptiveParts::default(), std::ptr::null());
    let mut c = imle_adaptive_parts { theta_squared: 0.0, dz_squared: 0.0, theta_len: 0, theta_nonzero: 0 };
    for i in 0..50_u16 {
        let theta = [0.3, f32::NEG_INFINITY, f32::from(i), 0.0, 1e-45];
        let dz = [0.7, -0.1 * f32::from(i), 3e38];
        core.add(&theta, &dz).expect("good input");
        let status = unsafe {
            match i % 2 {
                0 => [imle_adaptive_add(&mut c, theta.as_ptr(), 5, dz.as_ptr(), 3), IMLE_OK],
                _ => [
                    imle_adaptive_add(&mut c, theta.as_ptr(), 5, empty, 0),
                    imle_adaptive_add(&mut c, empty, 0, dz.as_ptr(), 3),
                ],
            }
        };
        assert_eq!(status, [IMLE_OK; 2]);
        let AdaptiveParts { theta_squared, dz_squared, theta_len, theta_nonzero } = core;
        let expected = bits(theta_squared, dz_squared, theta_len, theta_nonzero);
        assert_eq!(bits(c.theta_squared, c.dz_squared, c.theta_len, c.theta_nonzero), expected, "block {i}");

        let mut lambda = f32::NAN;
        assert_eq!(unsafe { imle_adaptive_lambda_from(&default(), &c, &mut lambda) }, IMLE_OK);
        assert_eq!(Ok(lambda.to_bits()), Adaptive::default().lambda_from(&core).map(f32::to_bits));
    }
}

#[test]
fn an_empty_batch_changes_nothing() {
    let (empty, mut lambda, mut c) = (std::ptr::null(), f32::NAN, default());
    assert_eq!(unsafe { imle_adaptive_lambda(&c, empty, 0, empty, 0, &mut lambda) }, IMLE_OK);
    assert_eq!(lambda, 0.0);
    let counts = imle_diagnostics { states: 0, unchanged: 0, nonzeros: 0 };
    assert_eq!(unsafe { imle_adaptive_update(&mut c, &counts) }, IMLE_OK);
    assert_eq!(bits_of_c(c), bits_of_c(default()));
}
