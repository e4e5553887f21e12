//! One image: the chest with its findings, in a random pose, on the detector's grid.

use super::anatomy::{Anatomy, Clouds, step};
use super::findings::{Lesion, apply};
use super::population::{DrawnFinding, Visit};
use crate::random::Stream;

/// Share of the images with a finding that have boxes.
const BOXED: f64 = 0.35;

/// The pose of the body on the detector, whose coordinates run from -1 to 1.
struct Pose {
    shift: [f32; 2],
    scale: f32,
    /// Cosine and sine of the rotation.
    turn: [f32; 2],
}

/// An image that is ready to be drawn.
pub(super) struct Drawing {
    size: u32,
    ap: bool,
    pose: Pose,
    chest: Anatomy,
    lesions: Vec<Lesion>,
    clouds: Clouds,
    contrast: f32,
    exposure: f32,
    grain: f32,
    boxed: bool,
    /// Key of the random stream for the image's grain.
    key: ([u64; 2], u64),
}

impl Drawing {
    /// Determines everything about the image of a visit except for the grain of its pixels.
    pub(super) fn new(visit: &Visit, size: u32, seed: u64) -> Self {
        let patient = u64::from(visit.patient);
        let key = [patient, visit.follow_up.into()];
        let mut body = Stream::new("reg synthetic body", seed, &[patient]);
        let mut chest = Anatomy::new(visit.age, visit.female, visit.ap, &mut body);
        let mut image = Stream::new("reg synthetic image", seed, &key);
        let mut between = |low: f64, high: f64| image.between(low, high) as f32;

        let spread = if visit.ap { 1.6 } else { 1.0 };
        let pose = Pose::new(
            [spread * between(-0.04, 0.04), spread * between(-0.04, 0.04) + 0.08],
            between(1.14, 1.32),
            spread * between(-0.03, 0.03),
        );
        let (contrast, exposure, grain) = (between(0.85, 1.1), between(-0.05, 0.05), between(0.01, 0.03));
        let boxed = f64::from(between(0.0, 1.0)) < BOXED;
        let strengths: Vec<f32> = visit.findings.iter().map(|_| between(0.0, 1.0)).collect();
        let lesions = visit.findings.iter().zip(strengths).map(|(finding, strength)| {
            let mut place = Stream::new("reg synthetic place", seed, &[patient, finding as u64]);
            apply(finding, &mut chest, strength, &mut place)
        });
        let lesions = lesions.collect();
        let clouds = Clouds::new(&mut body);
        let ap = visit.ap;
        Drawing { size, ap, pose, chest, lesions, clouds, contrast, exposure, grain, boxed, key: (key, seed) }
    }

    /// The pixels, row by row.
    pub(super) fn pixels(&self) -> Vec<u8> {
        let size = self.size;
        let mut noise = Stream::new("reg synthetic grain", self.key.1, &self.key.0);
        let coordinate = |i: u32| (2 * i + 1) as f32 / size as f32 - 1.0;
        let mut pixels = Vec::with_capacity((size * size) as usize);
        for row in 0..size {
            for column in 0..size {
                let (u, v) = (coordinate(column), coordinate(row));
                let [x, y] = self.pose.to_body([u, v]);
                let spot = self.chest.spot(x, y);
                let chest = self.chest.brightness(&spot, &self.clouds);
                let seen = |value, lesion: &Lesion| lesion.over(value, &spot, &self.chest, &self.clouds);
                let value = self.lesions.iter().fold(chest, seen);
                let grain = self.grain * bell(&mut noise);
                let value = 0.5 + self.contrast * (value - 0.5) + self.exposure + grain;
                let value = value.max(0.95 * self.marker(u, v));
                pixels.push((255.0 * value.clamp(0.0, 1.0) + 0.5) as u8);
            }
        }
        pixels
    }

    /// The annotated boxes: finding, then left edge, upper edge, width and height in pixels.
    pub(super) fn boxes(&self) -> Vec<(DrawnFinding, [f32; 4])> {
        if !self.boxed {
            return Vec::new();
        }
        let boxes = self.lesions.iter().filter_map(|lesion| Some((lesion.finding, lesion.extent()?)));
        boxes.map(|(finding, extent)| (finding, self.to_pixels(extent))).collect()
    }

    fn to_pixels(&self, [left, upper, right, lower]: [f32; 4]) -> [f32; 4] {
        let corners = [[left, upper], [right, upper], [left, lower], [right, lower]];
        let corners = corners.map(|corner| self.pose.to_detector(corner));
        let range = |axis: usize| {
            let pixel =
                corners.map(|c| ((c[axis] + 1.0) * 0.5 * self.size as f32).clamp(0.0, self.size as f32));
            let low = pixel.into_iter().fold(f32::INFINITY, f32::min);
            (low, pixel.into_iter().fold(0.0, f32::max) - low)
        };
        let ((x, w), (y, h)) = (range(0), range(1));
        [x, y, w, h]
    }

    /// The letter that a technician places beside the patient's left shoulder, and for AP a strip beside the
    /// right one.
    fn marker(&self, u: f32, v: f32) -> f32 {
        let bar = |centre: [f32; 2], half: [f32; 2]| {
            let away = ((u - centre[0]).abs() - half[0]).max((v - centre[1]).abs() - half[1]);
            step(0.012, -0.012, away)
        };
        let letter = bar([0.80, -0.86], [0.014, 0.07]).max(bar([0.83, -0.80], [0.045, 0.014]));
        if self.ap { letter.max(bar([-0.80, -0.90], [0.11, 0.022])) } else { letter }
    }
}

impl Pose {
    /// A pose turned by about `turn` radians.
    fn new(shift: [f32; 2], scale: f32, turn: f32) -> Self {
        // The rational form of a rotation, which does not need a cosine.
        let half = turn / 2.0;
        let square = half * half;
        Pose { shift, scale, turn: [(1.0 - square) / (1.0 + square), 2.0 * half / (1.0 + square)] }
    }

    fn to_body(&self, [u, v]: [f32; 2]) -> [f32; 2] {
        let (u, v) = ((u - self.shift[0]) / self.scale, (v - self.shift[1]) / self.scale);
        let [cos, sin] = self.turn;
        [cos * u + sin * v, cos * v - sin * u]
    }

    fn to_detector(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let [cos, sin] = self.turn;
        let (u, v) = (cos * x - sin * y, cos * y + sin * x);
        [self.scale * u + self.shift[0], self.scale * v + self.shift[1]]
    }
}

/// A bell-shaped random number with variance 1: the sum of four uniform ones.
fn bell(stream: &mut Stream) -> f32 {
    let bits = stream.bits();
    let sum = (0..4).map(|i| bits >> (16 * i) & 0xffff).sum::<u64>();
    (sum as f32 / 65536.0 - 2.0) * 1.732
}

#[cfg(test)]
mod tests {
    use super::super::population::{Findings, visits};
    use super::*;

    #[test]
    fn a_pose_and_its_inverse_cancel() {
        let pose = Pose::new([0.1, -0.05], 0.9, 0.06);
        let [x, y] = pose.to_body(pose.to_detector([0.3, -0.7]));
        assert!((x - 0.3).abs() < 1e-6 && (y + 0.7).abs() < 1e-6, "{x} {y}");
    }

    /// Pixels of one patient with the given findings, without grain, and the drawing itself.
    fn draw(findings: &[DrawnFinding], patient: u32) -> (Vec<f32>, Drawing) {
        let mut visit = visits(patient, 3).pop().expect("there is a patient");
        visit.findings = Findings::default();
        findings.iter().for_each(|&f| visit.findings.insert(f));
        let mut drawing = Drawing::new(&visit, SIZE, 3);
        drawing.grain = 0.0;
        (drawing.pixels().into_iter().map(f32::from).collect(), drawing)
    }

    const SIZE: u32 = 64;

    #[test]
    fn every_finding_changes_the_picture_visibly() {
        for finding in DrawnFinding::all() {
            for patient in 1..=8 {
                let (healthy, _) = draw(&[], patient);
                let (ill, _) = draw(&[finding], patient);
                let visible = healthy.iter().zip(&ill).filter(|(a, b)| (*a - *b).abs() > 15.0).count();
                assert!(visible >= 8, "{}, patient {patient}: {visible} pixels", finding.name());
            }
        }
    }

    #[test]
    fn boxes_lie_where_findings_change_the_picture() {
        for finding in DrawnFinding::all() {
            // Change and area inside the boxes, then outside them.
            let mut sums = [[0.0; 2]; 2];
            for patient in 1..=8 {
                let (healthy, _) = draw(&[], patient);
                let (ill, drawing) = draw(&[finding], patient);
                let Some(extent) = drawing.lesions[0].extent() else { continue };
                let [x, y, w, h] = drawing.to_pixels(extent);
                for (i, (a, b)) in healthy.iter().zip(&ill).enumerate() {
                    let (column, row) = ((i as u32 % SIZE) as f32 + 0.5, (i as u32 / SIZE) as f32 + 0.5);
                    let inside = (x..x + w).contains(&column) && (y..y + h).contains(&row);
                    let sum = &mut sums[usize::from(!inside)];
                    *sum = [sum[0] + (a - b).abs(), sum[1] + 1.0];
                }
            }
            let [inside, outside] = sums.map(|[change, area]| change / area);
            assert!(sums[0][1] == 0.0 || inside > 5.0 * outside, "{}: {inside} {outside}", finding.name());
        }
    }
}
