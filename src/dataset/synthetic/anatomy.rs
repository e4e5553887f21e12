//! The chest of one image without its findings: outline, lungs, heart, bones, and their brightness.
//!
//! Positions are in the frame of the body: x from -1 to 1 across, y from -1 at the neck to 1 at the
//! waist, the patient's right side at negative x as radiographs are shown. Brightness runs from 0
//! (air) to 1 (bone).

use crate::random::Stream;

/// Brightness beside the body.
const BACKGROUND: f32 = 0.03;

/// The parts of the chest as numbers that findings can change.
pub(super) struct Anatomy {
    /// Height of the lungs' apex.
    pub(super) top: f32,
    /// Distance of the lungs' inner edge from the midline.
    pub(super) inner: f32,
    /// The patient's right and left half.
    pub(super) sides: [ChestSide; 2],
    pub(super) heart: Heart,
    /// Radius of the aortic knob.
    pub(super) knob: f32,
    /// Half-width of shoulders and waist.
    pub(super) body: [f32; 2],
    /// Strength of ribs, clavicles and spine.
    pub(super) bone: f32,
    /// Distance from rib to rib, and where the first one lies, as a share of it.
    pub(super) ribs: [f32; 2],
    /// Strength of the breasts' shadow.
    pub(super) breast: f32,
    /// Centre of the gas in the stomach.
    pub(super) stomach: [f32; 2],
    /// Brightness of the lungs.
    pub(super) lung: f32,
    /// Strength of the lungs' vessels.
    pub(super) vessels: f32,
    /// Strength of the shoulder blades, which an AP view leaves over the lungs.
    pub(super) scapula: f32,
}

/// One half of the chest.
#[derive(Clone, Copy)]
pub(super) struct ChestSide {
    /// Height of the angle between chest wall and diaphragm.
    pub(super) base: f32,
    /// How far the diaphragm bulges above it.
    pub(super) dome: f32,
    /// Distance of the lung's outer edge from the midline at the base.
    pub(super) outer: f32,
}

/// The heart, a tilted ellipse.
pub(super) struct Heart {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) rx: f32,
    pub(super) ry: f32,
}

/// Where a point lies in the chest. Gaps are positive inside the lung.
pub(super) struct Spot {
    pub(super) x: f32,
    pub(super) y: f32,
    /// Distance from the midline.
    pub(super) across: f32,
    /// Index of [`Anatomy::sides`].
    pub(super) side: usize,
    /// Distance from the lung's outer edge.
    pub(super) outer: f32,
    /// Distance from the lung's inner edge.
    pub(super) inner: f32,
    /// Height above the diaphragm.
    pub(super) above: f32,
    /// 1 in the lung, 0 outside, with a soft edge.
    pub(super) lung: f32,
    /// How far heart, aorta and mediastinum cover the lung, 0 to 1.
    centre: f32,
    /// The lung as far as they do not cover it.
    pub(super) air: f32,
}

impl Anatomy {
    /// The chest of a patient: the same in all images of the patient except for age and view.
    pub(super) fn new(age: u32, female: bool, ap: bool, stream: &mut Stream) -> Self {
        let mut about = |mean: f32, spread: f32| mean + spread * (2.0 * stream.uniform() as f32 - 1.0);
        let age = age as f32 / 95.0;
        let (wide, breast) = (about(0.64, 0.04), about(0.12, 0.04));
        // The liver lifts the right half of the diaphragm; a lying patient breathes in less.
        let base = about(0.52, 0.05) - if ap { 0.08 } else { 0.0 };
        Anatomy {
            top: about(-0.74, 0.04),
            inner: about(0.11, 0.015),
            sides: [
                ChestSide { base: base - 0.05, dome: about(0.20, 0.03), outer: wide },
                ChestSide { base, dome: about(0.18, 0.03), outer: wide },
            ],
            heart: Heart {
                x: about(0.11, 0.02),
                y: base - about(0.27, 0.02),
                // Nearer to the tube than to the detector, the heart is enlarged in AP.
                rx: about(0.25, 0.02) * if ap { 1.15 } else { 1.0 },
                ry: about(0.29, 0.02),
            },
            knob: 0.03 + 0.055 * age,
            body: [about(0.98, 0.05), about(0.82, 0.06)],
            bone: about(1.25, 0.1) - 0.9 * age,
            ribs: [about(0.165, 0.01), about(0.5, 0.5)],
            breast: if female { breast } else { 0.0 },
            stomach: [about(0.33, 0.08), base + about(0.06, 0.05)],
            lung: about(0.24, 0.03) + if ap { 0.03 } else { 0.0 },
            vessels: about(0.13, 0.03),
            scapula: if ap { 0.09 } else { 0.0 },
        }
    }

    /// Outer and inner edge of a lung at height `y`, as distances from the midline, when it reaches
    /// up to `top` and out to `outer`.
    pub(super) fn edges(&self, y: f32, base: f32, top: f32, outer: f32) -> [f32; 2] {
        const APEX: f32 = 0.31;
        let rise = ((base - y) / (base - top)).clamp(0.0, 1.0);
        let rise2 = rise * rise;
        let out = APEX + (outer - APEX) * (1.0 - rise2 * rise2).sqrt();
        let inner = self.inner + (APEX - self.inner) * (1.0 - (1.0 - rise2 * rise2 * rise2).sqrt());
        [out, inner]
    }

    /// Finds where a point lies.
    pub(super) fn spot(&self, x: f32, y: f32) -> Spot {
        let across = x.abs();
        let side = usize::from(x >= 0.0);
        let ChestSide { base, dome, outer } = self.sides[side];
        let [out, inner] = self.edges(y, base, self.top, outer);
        let (outer, inner) = (out - across, across - inner);
        let q = (across - 0.27) / 0.42;
        let above = base - dome * (1.0 - q * q).max(0.0) - y;
        let lung = step(0.0, 0.05, outer) * step(-0.01, 0.04, inner) * step(-0.012, 0.012, above);
        let centre = self.centre(x, y);
        let air = lung * (1.0 - centre);
        Spot { x, y, across, side, outer, inner, above, lung, centre, air }
    }

    /// How far heart, aorta and mediastinum cover the lungs at a point, 0 to 1.
    fn centre(&self, x: f32, y: f32) -> f32 {
        let heart = step(1.12, 0.82, self.heart.distance(x, y));
        let knob = ellipse(x, y, [0.12, -0.27], [self.knob + 0.03, self.knob + 0.07]);
        let middle = step(0.17, 0.10, (x - 0.015).abs() - 0.05 * (y + 0.3).max(0.0));
        0.93 * heart.max(step(1.3, 0.5, knob)).max(middle)
    }

    /// Brightness of the chest at a point.
    pub(super) fn brightness(&self, spot: &Spot, clouds: &Clouds) -> f32 {
        let &Spot { x, y, across, air, .. } = spot;
        let [shoulder, waist] = self.body;
        let neck = 0.22 + (shoulder - 0.22) * step(-1.02, -0.62, y - 0.1 * across);
        let half = neck + (waist - shoulder) * step(-0.35, 0.15, y);
        let edge = across / half;
        let inside = step(1.02, 0.97, edge);
        if inside == 0.0 {
            return BACKGROUND;
        }
        let thick = 1.0 - edge * edge * edge * edge;
        let soft = 0.40 + 0.24 * thick + 0.14 * step(0.1, 0.55, y) + 0.04 * step(-0.4, -0.9, y);
        // Less tissue lies over the middle of a lung than over its edges and its base.
        let lung = self.lung + 0.14 * step(-0.5, 0.6, y) + 0.10 * step(0.16, 0.0, spot.outer)
            - 0.05 * bump((across - 0.4) / 0.3);
        let mut value = soft + (lung - soft) * air;
        value += 0.07 * (1.0 - air) * spot.centre * step(0.55, 0.2, y);
        let gas = ellipse(x, y, self.stomach, [0.13, 0.075]);
        if gas < 1.6 {
            let gas = gas + 0.9 * (clouds.fine(x, y, 5.0) - 0.5);
            value -= 0.16 * step(1.1, 0.2, gas) * step(0.0, 0.06, -spot.above);
        }
        let texture = clouds.fine(x, y, 3.0);
        value += self.bones(spot) + self.lung_markings(spot, texture, clouds);
        // A breast fades upwards and has a rim below.
        let breast = ellipse(across, y, [0.40, 0.26], [0.29, 0.32]);
        value += self.breast * step(1.05, 0.85, breast) * step(-0.1, 0.45, y) * (0.3 + 0.7 * air);
        value += 0.06 * (texture - 0.5);
        BACKGROUND + inside * (value - BACKGROUND)
    }

    fn bones(&self, spot: &Spot) -> f32 {
        let &Spot { x, y, across, .. } = spot;
        let [gap, first] = self.ribs;
        let chest = step(-0.10, -0.02, spot.outer)
            * step(0.06, 0.2, across)
            * step(-0.12, 0.02, spot.above)
            * step(self.top - 0.06, self.top + 0.02, y);
        let arch = across - 0.16;
        let back = wave((y - 0.55 * arch * arch) / gap + first);
        let front = wave((y + 0.60 * across) / gap + first + 0.4);
        let ribs = chest * (0.085 * back + 0.05 * front * step(0.22, 0.4, across));
        let line = self.top + 0.10 + 0.10 * across - 0.45 * (across - 0.30) * (across - 0.30);
        let clavicle = bump((y - line) / 0.045) * step(0.05, 0.10, across) * step(0.78, 0.68, across);
        let disc = 0.6 + 0.4 * wave(y / 0.13 + first);
        let spine = bump(x / 0.10) * disc * step(1.1, 0.6, y);
        let blade = (across - 0.52 - 0.12 * (y + 0.4)).abs();
        let scapula = step(0.14, 0.10, blade) * step(-0.62, -0.5, y) * step(0.05, -0.1, y + 1.5 * blade);
        self.bone * (ribs + 0.13 * clavicle + 0.07 * spine) + self.scapula * scapula
    }

    /// Vessels, which leave the hilum like rays, and the hilum itself.
    fn lung_markings(&self, spot: &Spot, texture: f32, clouds: &Clouds) -> f32 {
        let (dx, dy) = (spot.across - 0.15, spot.y + 0.04);
        let r = (dx * dx + dy * dy).sqrt();
        if spot.air == 0.0 || r > 0.75 {
            return 0.0;
        }
        // A cheap stand-in for the angle.
        let turn = dy / (dx.abs() + dy.abs() + 0.01);
        let ray = ridge(clouds.at(6.0 * turn + 2.0 * texture + 13.0 * spot.side as f32, 2.5 * r + 7.0));
        let fade = 1.0 - r / 0.75;
        spot.air * self.vessels * fade * (0.9 * ray + 1.3 * bump(r / 0.26))
    }
}

impl Heart {
    /// Squared distance from the centre in radii: 1 on the silhouette.
    pub(super) fn distance(&self, x: f32, y: f32) -> f32 {
        let lean = 0.35 * (y - self.y);
        ellipse(x, y, [self.x + lean, self.y], [self.rx, self.ry])
    }
}

/// Smooth noise: random numbers on a lattice with smooth interpolation.
pub(super) struct Clouds(Vec<f32>);

impl Clouds {
    const SIDE: usize = 32;

    pub(super) fn new(stream: &mut Stream) -> Self {
        Clouds((0..Self::SIDE * Self::SIDE).map(|_| stream.uniform() as f32).collect())
    }

    /// A number between 0 and 1 that changes over a distance of about 1, and repeats after 32.
    pub(super) fn at(&self, u: f32, v: f32) -> f32 {
        let (u0, v0) = (floor(u), floor(v));
        let (fu, fv) = (step(0.0, 1.0, u - u0), step(0.0, 1.0, v - v0));
        let cell = |i: f32| (i as i32).rem_euclid(Self::SIDE as i32) as usize;
        let (i, j) = (cell(u0), cell(v0));
        let (right, down) = ((i + 1) % Self::SIDE, (j + 1) % Self::SIDE);
        let row = |j: usize| {
            let row = &self.0[j * Self::SIDE..][..Self::SIDE];
            row[i] + (row[right] - row[i]) * fu
        };
        let (upper, lower) = (row(j), row(down));
        upper + (lower - upper) * fv
    }

    /// Two octaves at a point of the body, with `scale` cells per unit, rotated so that the lattice is
    /// invisible.
    pub(super) fn fine(&self, x: f32, y: f32, scale: f32) -> f32 {
        let (u, v) = (scale * (x + 0.45 * y), scale * (y - 0.45 * x));
        0.65 * self.at(u, v) + 0.35 * self.at(2.1 * v + 5.0, 2.1 * u + 9.0)
    }
}

/// 0 at `from` and before, 1 at `to` and beyond, smooth between; `from` may be the larger one.
pub(super) fn step(from: f32, to: f32, value: f32) -> f32 {
    let t = ((value - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A smooth hump: 1 at 0, 0 from -1 and 1 outwards.
pub(super) fn bump(t: f32) -> f32 {
    let rest = (1.0 - t * t).max(0.0);
    rest * rest
}

/// A line where smooth noise crosses its middle.
pub(super) fn ridge(noise: f32) -> f32 {
    bump((noise - 0.5) / 0.12)
}

/// Squared distance from `centre` in units of `radii`.
pub(super) fn ellipse(x: f32, y: f32, centre: [f32; 2], radii: [f32; 2]) -> f32 {
    let (u, v) = ((x - centre[0]) / radii[0], (y - centre[1]) / radii[1]);
    u * u + v * v
}

/// A hump in the middle of each unit.
fn wave(t: f32) -> f32 {
    bump((t - floor(t) - 0.5) / 0.33)
}

/// The next lower integer, for numbers up to a few thousand; faster than a call of the C library.
fn floor(t: f32) -> f32 {
    ((t + 4096.0) as i32 - 4096) as f32
}
