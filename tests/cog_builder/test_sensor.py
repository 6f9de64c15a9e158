from cog_builder.sensor import known_sensors


def test_every_sensor_lists_blue_green_red_and_near_infrared_in_file_order():
    for sensor in known_sensors().values():
        assert [band.common_name for band in sensor.bands] == ["blue", "green", "red", "nir"]
        assert [band.name for band in sensor.bands] == ["B1", "B2", "B3", "B4"]
        wavelengths = [band.center_wavelength_um for band in sensor.bands]
        assert wavelengths == sorted(wavelengths)
        assert 0.4 < wavelengths[0] < wavelengths[-1] < 0.9


def test_the_three_products_of_this_builder_are_known():
    assert {sensor.collection for sensor in known_sensors().values()} == {"gf1-pms", "gf1-wfv", "gf2-pms"}
    assert known_sensors()["GF1", "WFV4"].pan is None
    assert known_sensors()["GF2", "PMS2"].pan.common_name == "pan"
    assert known_sensors()["GF2", "PMS2"].platform == "gaofen-2"


def test_ten_bit_sensors_saturate_at_1023():
    assert known_sensors()["GF1", "PMS1"].saturated_dn == 1023
