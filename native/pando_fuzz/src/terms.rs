//! Small spellings of terms, for seeds.

/// The terms that seeds are made of, one of each kind and those that come close to a limit; with version byte.
pub fn samples() -> Vec<Vec<u8>> {
    let atom = |text: &str| [&[119, text.len() as u8][..], text.as_bytes()].concat();
    let node = atom("a@b");
    let parts: Vec<Vec<u8>> = vec![
        vec![97, 7],
        vec![98, 0xFF, 0xFF, 0xFF, 0xFE],
        vec![110, 9, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        vec![111, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0x80],
        [&[70][..], &1.5f64.to_be_bytes()].concat(),
        [&[70][..], &(-0.0f64).to_be_bytes()].concat(),
        [&[99][..], b"1.50000000000000000000e+00\0\0\0\0\0"].concat(),
        atom("ok"),
        [&[100, 0, 2][..], b"ok"].concat(),
        vec![115, 1, 0xE9],
        vec![118, 0, 2, 0xC3, 0xA9],
        vec![109, 0, 0, 0, 3, 1, 2, 3],
        vec![77, 0, 0, 0, 2, 3, 0xAB, 0xE0],
        vec![106],
        [&[107, 0, 3][..], b"abc"].concat(),
        vec![108, 0, 0, 0, 2, 97, 1, 97, 2, 106],
        vec![108, 0, 0, 0, 1, 97, 1, 108, 0, 0, 0, 1, 97, 2, 97, 3],
        vec![108, 0, 0, 0, 0, 106],
        [&[104, 2][..], &atom("ok"), &[97, 1]].concat(),
        [&[105, 0, 0, 0, 1][..], &atom("ok")].concat(),
        [&[116, 0, 0, 0, 2][..], &atom("b"), &[97, 1], &atom("a"), &[104, 0]].concat(),
        [&[116, 0, 0, 0, 2, 97, 1][..], &atom("x"), &[70], &1.0f64.to_be_bytes(), &atom("y")].concat(),
        [&[88][..], &node, &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]].concat(),
        [&[103][..], &node, &[0, 0, 0, 1, 0, 0, 0, 2, 3]].concat(),
        [&[89][..], &node, &[0, 0, 0, 1, 0, 0, 0, 3]].concat(),
        [&[120][..], &node, &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3]].concat(),
        [&[90, 0, 3][..], &node, &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4]].concat(),
        [&[114, 0, 1][..], &node, &[1, 0, 0, 0, 2]].concat(),
        [&[101][..], &node, &[0, 0, 0, 1, 2]].concat(),
        [&[113][..], &atom("lists"), &atom("map"), &[97, 2]].concat(),
        [
            &[112, 0, 0, 0, 70, 1][..],
            &[7; 16],
            &[0, 0, 0, 1, 0, 0, 0, 1],
            &atom("m"),
            &[97, 0, 98, 0, 0, 1, 0],
            &[88],
            &node,
            &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3],
            &[97, 5],
        ]
        .concat(),
        [&[104, 1].repeat(250)[..], &[106]].concat(),
        [&[108, 0, 0, 0, 1].repeat(100)[..], &[97, 1], &[106].repeat(100)].concat(),
    ];
    parts.into_iter().map(|part| [&[131][..], &part].concat()).collect()
}
