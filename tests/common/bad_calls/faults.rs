//! Every kind of bad value in one row of an input.

use imle::{Argument, Error};

use super::{Call, K, S};

/// Makes row b of a call bad.
pub type Spoil = Box<dyn Fn(&mut Call, usize)>;

/// A way to spoil one row of an input.
pub struct Fault {
    pub what: String,
    /// The argument that has the fault, or "k_row" for a fault that only functions with a k notice.
    pub argument: &'static str,
    pub spoil: Spoil,
    /// The error that names the row.
    pub error: Box<dyn Fn(u32) -> Error>,
}

/// Bad floats at both ends of a row of n and in its middle.
pub fn bad_floats(n: usize) -> Vec<Fault> {
    let mut faults = Vec::new();
    for x in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for i in [0, n / 2, n - 1] {
            let mut add = |argument: Argument, spoil: Spoil| {
                let error = Box::new(move |row| Error::NonFinite { argument, row });
                faults.push(Fault { what: format!("{x} at {i}"), argument: argument.name(), spoil, error });
            };
            if x != f32::NEG_INFINITY {
                add(Argument::Theta, Box::new(move |call, b| call.theta[b * n + i] = x));
            }
            add(Argument::Y, Box::new(move |call, b| call.y[b * n + i] = x));
            for state in [0, S - 1] {
                let at = move |b| (b * S + state) * n + i;
                add(Argument::Losses, Box::new(move |call, b| call.losses[b * S + state] = x));
                add(Argument::Dz, Box::new(move |call, b| call.dz[at(b)] = x));
                add(Argument::Z, Box::new(move |call, b| call.z[at(b)] = x));
                add(Argument::ZTarget, Box::new(move |call, b| call.z_target[at(b)] = x));
            }
        }
    }
    faults
}

pub fn infeasible_row() -> Fault {
    Fault {
        what: "infeasible".into(),
        argument: "k_row",
        spoil: Box::new(|call, b| call.theta[b * call.n..][1..call.n].fill(f32::NEG_INFINITY)),
        error: Box::new(|row| Error::Infeasible { row }),
    }
}

/// Lists that are not a state of a row of n, [0.5, −0, −inf, 2, −1, …], with `k` ones.
pub fn bad_lists(n: usize) -> Vec<Fault> {
    const END: u32 = u32::MAX;
    let lists: [(u32, [u32; K], &str); 10] = [
        (2, [3, 0], "descending"),
        (2, [3, 3], "twice"),
        (2, [0, n as u32], "out of range"),
        (2, [0, END - 1], "out of range"),
        (2, [2, 3], "masked"),
        (2, [0, END], "too short"),
        (2, [END, END], "too short"),
        (1, [0, 3], "too long"),
        (0, [0, END], "too long"),
        (0, [END, 0], "an entry after the end"),
    ];
    let both = lists.into_iter().flat_map(|list| (0..S).map(move |s| (list, s)));
    let fault = |((k, list, what), s): ((u32, [u32; K], &str), usize)| Fault {
        what: format!("sample {s}: {list:?}, {what}"),
        argument: "indices",
        spoil: Box::new(move |call, b| {
            call.k_row[b] = k;
            let good = &[0, 3][..k as usize];
            for state in 0..S {
                let slots = &mut call.lists[(b * S + state) * K..][..K];
                slots.fill(END);
                slots[..good.len()].copy_from_slice(good);
            }
            call.lists[(b * S + s) * K..][..K].copy_from_slice(&list);
        }),
        error: Box::new(|row| Error::NotAState { row }),
    };
    both.map(fault).collect()
}
