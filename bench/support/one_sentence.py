"""The smallest page that Streamlit can show: what others are measured beside."""

import streamlit as st

st.write("One sentence.")
